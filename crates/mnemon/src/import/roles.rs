//! Who speaks: roles from names.

use std::collections::BTreeMap;

use mnemon_core::Role;

/// The role that a name stands for by itself.
pub(super) fn role_of_label(name: &str) -> Option<Role> {
    match name.trim().to_lowercase().as_str() {
        "user" | "human" | "me" | "you" => Some(Role::User),
        "assistant" | "ai" | "bot" | "chatgpt" | "claude" | "model" => Some(Role::Assistant),
        "system" | "developer" => Some(Role::System),
        "tool" | "function" => Some(Role::Tool),
        _ => None,
    }
}

/// The name to keep: labels such as `user` say no more than the role does.
pub(super) fn speaker_of(name: &str) -> Option<String> {
    let name = name.trim();
    let is_a_name = matches!(name.to_lowercase().as_str(), "chatgpt" | "claude");
    (!name.is_empty() && (is_a_name || role_of_label(name).is_none())).then(|| name.to_owned())
}

/// The roles of all speakers of a conversation.
#[derive(Debug, Default)]
pub(super) struct Roles {
    known: BTreeMap<String, Role>,
    has_user: bool,
}

impl Roles {
    /// Starts from the roles that the caller gives by name.
    pub(super) fn new(given: &BTreeMap<String, Role>) -> Self {
        Self { known: given.iter().map(|(name, role)| (key(name), *role)).collect(), has_user: false }
    }

    /// Whether the caller gave this name a role.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.known.contains_key(&key(name))
    }

    /// Learns the role of a name that the file states, or that the name itself states. Every name of the conversation
    /// is to be seen before the first is resolved, so that the order of speakers does not matter more than it must.
    pub(super) fn see(&mut self, name: Option<&str>, stated: Option<Role>) {
        let by_name = name.and_then(|name| self.known.get(&key(name)).copied().or_else(|| role_of_label(name)));
        let role = stated.or(by_name);
        self.has_user |= role == Some(Role::User);
        if let (Some(name), Some(role)) = (name, role) {
            self.known.entry(key(name)).or_insert(role);
        }
    }

    /// The role of a name: what is known, or the user for the first name when nobody is, or the assistant.
    pub(super) fn resolve(&mut self, name: &str) -> Role {
        let next = if self.has_user { Role::Assistant } else { Role::User };
        let role = *self.known.entry(key(name)).or_insert(next);
        self.has_user |= role == Role::User;
        role
    }
}

fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &[(&str, Role)], names: &[&str], expected: &[Role]) {
        let given = given.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect();
        let mut roles = Roles::new(&given);
        names.iter().for_each(|name| roles.see(Some(name), None));
        assert_eq!(names.iter().map(|name| roles.resolve(name)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_first_name_is_the_user_unless_somebody_is() {
        use Role::{Assistant, System, User};
        check(&[], &["Nora", "Tom", "NORA"], &[User, Assistant, User]);
        check(&[], &["Claude", "Nora", "Tom"], &[Assistant, User, Assistant]);
        // "Me" comes second and is the user all the same.
        check(&[], &["Ann", "Me", "System"], &[Assistant, User, System]);
        check(&[("tom", User)], &["Nora", "Tom"], &[Assistant, User]);
        check(&[("Bot", User)], &["Bot", "Nora"], &[User, Assistant]);
        check(&[("Tom", Assistant)], &["Tom", "Nora"], &[Assistant, User]);
    }

    #[test]
    fn labels_are_roles_and_not_speakers() {
        assert_eq!(speaker_of(" Nora "), Some("Nora".to_owned()));
        assert_eq!(speaker_of("ChatGPT"), Some("ChatGPT".to_owned()));
        assert_eq!(speaker_of("User"), None);
        assert_eq!(speaker_of(" "), None);
    }
}
