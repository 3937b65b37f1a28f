//! Values that look like credentials and are none: made at run time from a seed, never written out.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn of(&mut self, alphabet: &str, count: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..count).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

pub(crate) const DIGITS: &str = "0123456789";
pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(crate) const URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_0123456789-";
pub(crate) const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SIGNS: &str = "!#%+=?~^";

/// A value, and what kind it is.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) value: String,
    /// What must be gone from the output: the value, or the part of it that is secret.
    pub(crate) secret: String,
    pub(crate) kind: &'static str,
    /// Whether the value is told by its form alone.
    pub(crate) bare: bool,
}

fn bare(kind: &'static str, value: String) -> Made {
    Made { secret: value.clone(), value, kind, bare: true }
}

fn named(kind: &'static str, value: String) -> Made {
    Made { secret: value.clone(), value, kind, bare: false }
}

/// 200 values of every kind, the same for the same seed.
pub(crate) fn values(seed: u64) -> Vec<Made> {
    let mut dice = Dice(seed);
    let made: Vec<Made> = (0..200).map(|number| value(&mut dice, number)).collect();
    assert_eq!(made.len(), 200);
    made
}

pub(crate) fn value(dice: &mut Dice, number: usize) -> Made {
    let d = dice;
    // The pieces of prefixes are joined here, so that no scanner takes this file for what it tests.
    match number % 40 {
        0 => bare("github", format!("{}{}", d.pick(&["ghp", "gho", "ghu", "ghs", "ghr"]), "_") + &d.of(ALNUM, 36)),
        1 => bare("github", ["github", "pat", &d.of(ALNUM, 22), &d.of(ALNUM, 59)].join("_")),
        2 => bare("gitlab", format!("{}{}", ["glpat", ""].join("-"), d.of(ALNUM, 20))),
        3 => bare("aws", format!("{}{}", ["AK", "IA"].concat(), d.of(UPPER, 16))),
        4 => bare("google", format!("{}{}", ["AI", "za"].concat(), d.of(URL, 34) + "k")),
        5 => bare("slack", ["xoxb", &d.of(DIGITS, 12), &d.of(DIGITS, 13), &d.of(ALNUM, 24)].join("-")),
        6 => bare("openai", ["sk", "proj", &d.of(ALNUM, 48)].join("-")),
        7 => bare("anthropic", ["sk", "ant", "api03", &d.of(ALNUM, 93)].join("-")),
        8 => bare("sk", ["sk", &d.of(ALNUM, 48)].join("-")),
        9 => bare("stripe", ["sk", d.pick(&["live", "test"]), &d.of(ALNUM, 24)].join("_")),
        10 => bare("npm", ["npm", &d.of(ALNUM, 36)].join("_")),
        11 => bare("pypi", ["pypi", &d.of(URL, 84)].join("-") + "x"),
        12 => bare("huggingface", ["hf", &d.of(ALNUM, 34)].join("_")),
        13 => bare("sendgrid", ["SG".to_owned(), d.of(ALNUM, 22), d.of(ALNUM, 43)].join(".")),
        14 => bare("digitalocean", ["dop", "v1", &d.of(HEX, 64)].join("_")),
        15 => bare("shopify", ["shpat", &d.of(HEX, 32)].join("_")),
        16 => bare("vault", ["hvs", &d.of(ALNUM, 90)].join(".")),
        17 => bare("telegram", format!("{}:{}{}", d.of("123456789", 9), "AA", d.of(ALNUM, 33))),
        18 => bare("discord", format!("M{}.{}.{}", d.of(ALNUM, 23), d.of(ALNUM, 6), d.of(ALNUM, 38))),
        19 => bare(
            "webhook",
            format!("hooks.slack{}/T{}/B{}/{}", ".com/services", d.of(UPPER, 8), d.of(UPPER, 8), d.of(ALNUM, 24)),
        ),
        20 => bare("twilio", format!("S{}{}", "K", d.of(HEX, 32))),
        21 => bare("mailgun", ["key", &d.of(HEX, 32)].join("-")),
        22 => bare("groq", ["gsk", &d.of(ALNUM, 52)].join("_")),
        23 => bare("azure", format!("{}8Q~{}", d.of(ALNUM, 3), d.of(ALNUM, 34))),
        24 => bare("grafana", ["glsa", &d.of(ALNUM, 32), &d.of(HEX, 8)].join("_")),
        25 | 26 => bare("jwt", jwt(d)),
        27 | 28 => bare("pem", pem(d)),
        29 => bare("card", card(d, false)),
        30 => bare("card", card(d, true)),
        31 | 32 => bare("iban", iban(d)),
        33 => {
            let secret = d.of(URL, 40) + "w";
            Made { value: format!("Bearer {secret}"), secret, kind: "bearer", bare: true }
        }
        34 | 35 => {
            let secret = password(d);
            let scheme = d.pick(&["postgres", "https", "mongodb+srv", "redis", "amqp"]);
            let value = format!("{scheme}://{}:{secret}@{}.example.net/garden", d.of("abcdefgh", 5), d.of("stuvw", 4));
            Made { value, secret, kind: "url", bare: true }
        }
        36 | 37 => named("password", password(d)),
        38 => named("secret", d.of(BASE64, 38) + "="),
        _ => named("token", d.of(HEX, 40)),
    }
}

/// Letters, digits and a sign: what people and generators of passwords make.
pub(crate) fn password(dice: &mut Dice) -> String {
    let letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
    let count = 4 + dice.below(6);
    format!("{}{}{}{}", dice.of(letters, count), dice.of(DIGITS, 2), dice.of(SIGNS, 1), dice.of(letters, 3))
}

fn jwt(dice: &mut Dice) -> String {
    let header = ["ey", "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"].concat();
    [header, ["ey", "J"].concat() + &dice.of(ALNUM, 60), dice.of(URL, 42) + "s"].join(".")
}

fn pem(dice: &mut Dice) -> String {
    let name = dice.pick(&[
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
    ]);
    let count = 3 + dice.below(20);
    let lines: Vec<String> = (0..count).map(|_| dice.of(BASE64, 64)).collect();
    format!("{0}BEGIN {name}{0}\n{1}\n{2}==\n{0}END {name}{0}", "-----", lines.join("\n"), dice.of(BASE64, 22))
}

/// A number with a right check digit.
pub(crate) fn card(dice: &mut Dice, grouped: bool) -> String {
    let (head, length) = [("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("6011", 16), ("3528", 16)][dice.below(6)];
    let mut digits = head.to_owned() + &dice.of(DIGITS, length - 1 - head.len());
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    digits += &((10 - sum % 10) % 10).to_string();
    if !grouped {
        return digits;
    }
    let cuts: &[usize] = if length == 15 { &[4, 10] } else { &[4, 8, 12] };
    let gap = dice.pick(&[" ", "-"]);
    digits
        .chars()
        .enumerate()
        .map(|(place, c)| if cuts.contains(&place) { format!("{gap}{c}") } else { c.to_string() })
        .collect()
}

/// A number with right check digits: 98 less the remainder of the account, the country and `00` by 97.
pub(crate) fn iban(dice: &mut Dice) -> String {
    let (country, account) = [
        ("DE", dice.of(DIGITS, 18)),
        ("GB", dice.of("ABCDEFGH", 4) + &dice.of(DIGITS, 14)),
        ("FR", dice.of(DIGITS, 10) + &dice.of("0123456789ABCDEF", 11) + &dice.of(DIGITS, 2)),
        ("NL", dice.of("ABCDEFGH", 4) + &dice.of(DIGITS, 10)),
        ("ES", dice.of(DIGITS, 20)),
        ("NO", dice.of(DIGITS, 11)),
    ][dice.below(6)]
    .clone();
    let number: String =
        format!("{account}{country}00").chars().map(|c| c.to_digit(36).unwrap_or(0).to_string()).collect();
    let remainder = number.bytes().fold(0_u32, |remainder, digit| (remainder * 10 + u32::from(digit - b'0')) % 97);
    let iban = format!("{country}{:02}{account}", 98 - remainder);
    if dice.below(2) == 0 {
        return iban;
    }
    iban.chars()
        .enumerate()
        .map(|(place, c)| if place > 0 && place % 4 == 0 { format!(" {c}") } else { c.to_string() })
        .collect()
}
