//! Criterion benches of the Mnemon workspace.

/// Those of `all` sizes that the arguments name (`context_10000`, of the group `context`), else all of them, unless the
/// arguments name one of `others`. A test asks only whether a bench runs at all, and takes the first.
#[must_use]
pub fn sizes(group: &str, all: &[usize], others: &[&str]) -> Vec<usize> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--test") {
        return all.iter().copied().take(1).collect();
    }
    let named = |size: &usize| args.iter().any(|arg| arg.split('/').next() == Some(&format!("{group}_{size}")));
    let some: Vec<usize> = all.iter().copied().filter(named).collect();
    let is_other = args.iter().any(|arg| others.contains(&arg.as_str()));
    if some.is_empty() && !is_other { all.to_vec() } else { some }
}
