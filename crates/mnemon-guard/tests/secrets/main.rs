//! Made credentials in every surrounding, and harmless texts that look like them.

mod made;

use made::{ALNUM, Dice, HEX, Made, URL, values};
use mnemon_guard::{OwnPattern, RedactionConfig, Redactor, SecretKind};
use proptest::prelude::*;
use serde_json::{Value, json};

const SEED: u64 = 20_260;

#[expect(clippy::unwrap_used, reason = "a test that cannot begin has failed")]
fn redactor() -> Redactor {
    Redactor::new(RedactionConfig::default()).unwrap()
}

/// Redacts, and checks what holds of every text.
fn redact(redactor: &Redactor, text: &str) -> String {
    let redacted = redactor.redact(text);
    let mut last = 0;
    for finding in &redacted.findings {
        assert!(finding.range.start >= last && finding.range.end > finding.range.start, "{text:?}: {redacted:?}");
        assert!(text.get(finding.range.clone()).is_some(), "{text:?}: {finding:?} cuts a character");
        last = finding.range.end;
    }
    let again = redactor.redact(&redacted.text);
    assert!(again.findings.is_empty(), "{text:?}\n{}\n{}\n{:?}", redacted.text, again.text, again.findings);
    redacted.text.into_owned()
}

/// Surroundings of a value that is told by its form.
const AROUND: [&str; 26] = [
    "{}",
    "{}\n",
    "\t{}",
    "I put it here: {} and then went home.",
    "You can use {}, it is valid until May.",
    "Is it {}? I think so.",
    "It is ({}).",
    "Take “{}” for now.",
    "let client = Client::new(\"{}\");",
    "client = connect('{}', timeout=30)",
    "const KEY = `{}`;",
    "export THING={}\nls -la",
    "{\"note\": \"{}\", \"n\": 3}",
    "{\\\"note\\\": \\\"{}\\\"}",
    "[\"a\",\"{}\",\"b\"]",
    "first\\n{}\\nlast",
    "value: {}\r\nother: 1\r\n",
    "- {}\n- done",
    "| name | {} | 12 |",
    "https://example.net/path?x={}&y=1",
    "Der Schlüssel: {} – bitte löschen…",
    "秘密は{}です。",
    "🔑{}🔑",
    "ключ {} больше не нужен",
    "\u{1b}[31m{}\u{1b}[0m",
    "# {}\n",
];

/// Surroundings that say what the value is.
const NAMED: [&str; 34] = [
    "password = \"{}\"",
    "password={}",
    "PASSWORD={}\nUSER=ann\n",
    "export DB_PASSWORD='{}'",
    "password: {}",
    "Password: {}",
    "{\"user\":\"ann\",\"password\":\"{}\"}",
    "{\\\"password\\\": \\\"{}\\\"}",
    "const password = '{}';",
    "let password: &str = \"{}\";",
    "config[\"password\"] = \"{}\"",
    "config.password = \"{}\";",
    "'password' => '{}',",
    "<password>{}</password>",
    "mysqldump --password {} garden",
    "mysqldump --password={} garden",
    "The wifi password is {} by the way",
    "Ann's password was {}.",
    "**Password:** {}",
    "`password`: `{}`",
    "Das Passwort lautet {}",
    "Пароль: {}",
    "https://example.net/login?password={}&next=1",
    "Server=db;Uid=ann;Pwd={};Database=garden",
    "api_key: \"{}\"",
    "API_KEY={}",
    "apiKey: '{}',",
    "X-API-Key: {}",
    "client_secret = {}",
    "auth_token={}",
    "\"accessToken\" : \"{}\"",
    "token = {}",
    "AWS_SECRET_ACCESS_KEY={}",
    "Here is the API key: {}",
];

#[test]
fn two_hundred_made_values_are_gone_from_every_surrounding() {
    let redactor = redactor();
    let values = values(SEED);
    let mut missed = Vec::new();
    let mut checked = 0;
    let mut check = |text: String, made: &Made| {
        checked += 1;
        let output = redact(&redactor, &text);
        if output.contains(&made.secret) || !output.contains("[redacted: ") {
            missed.push(format!("{} in {text:?} became {output:?}", made.kind));
        }
    };
    for made in &values {
        if made.bare {
            for around in AROUND {
                check(around.replacen("{}", &made.value, 1), made);
            }
        }
        if made.kind == "pem" || made.kind == "bearer" || made.kind == "url" {
            continue;
        }
        for around in NAMED {
            let is_token =
                !around.to_lowercase().contains("pass") && !around.contains("Pwd") && !around.contains("ароль");
            // A number or what a person chose is no API key, and passwords have no blanks.
            if !made.bare && made.kind == "password" && is_token && !around.contains("secret")
                || made.value.contains(' ')
            {
                continue;
            }
            check(around.replacen("{}", &made.value, 1), made);
        }
    }
    assert!(missed.is_empty(), "seed {SEED}: {} of {checked}:\n{}", missed.len(), missed.join("\n"));
    assert!(checked > 9_000, "{checked}");
}

#[test]
fn two_in_a_row_are_both_gone() {
    let redactor = redactor();
    let values: Vec<Made> = values(SEED + 1).into_iter().filter(|made| made.bare).collect();
    for (one, two) in values.iter().zip(values.iter().skip(7)) {
        for between in [" ", "\n", ", ", "\",\"", " / ", "\u{a0}", "→", "; "] {
            let text = format!("{}{between}{}", one.value, two.value);
            let output = redact(&redactor, &text);
            let gone = !output.contains(&one.secret) && !output.contains(&two.secret);
            assert!(gone, "{} and {}: {text:?} became {output:?}", one.kind, two.kind);
        }
    }
}

#[test]
fn private_keys_are_gone_however_they_are_written() {
    let redactor = redactor();
    for made in values(SEED + 2).into_iter().filter(|made| made.kind == "pem") {
        let middle = made.value.lines().nth(2).unwrap().to_owned();
        let cut: String = made.value.lines().take(4).collect::<Vec<_>>().join("\n");
        let shapes = [
            made.value.replace('\n', "\\n"),
            made.value.replace('\n', "\r\n"),
            made.value.lines().map(|line| format!("    {line}\n")).collect(),
            made.value.lines().map(|line| format!("> {line}\n")).collect(),
            made.value.lines().map(|line| format!("\"{line}\\n\" \\\n")).collect(),
            made.value.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1),
            cut,
        ];
        for shape in shapes {
            let text = format!("before\n{shape}\nafter this nothing is secret");
            let output = redact(&redactor, &text);
            assert!(!output.contains(&middle), "{text}\n{output}");
            assert!(output.starts_with("before\n") && output.ends_with("nothing is secret"), "{output}");
        }
    }
}

#[test]
fn marks_say_what_was_there() {
    let redactor = redactor();
    let mut dice = Dice(SEED);
    let check = |before: &str, value: String, after: &str, expected: &str| {
        assert_eq!(redact(&redactor, &format!("{before}{value}{after}")), expected);
    };
    check("a ", format!("{}_{}", "ghp", dice.of(ALNUM, 36)), " b", "a [redacted: github token] b");
    check("pay with ", made::card(&mut dice, true), ".", "pay with [redacted: payment card].");
    check("to ", made::iban(&mut dice), " please", "to [redacted: iban] please");
    check("Authorization: Basic ", dice.of(ALNUM, 23) + "=", "", "Authorization: Basic [redacted: authorization]");
    check(
        "-H 'Authorization: Bearer ",
        dice.of(URL, 30) + "a",
        "' -v",
        "-H 'Authorization: Bearer [redacted: authorization]' -v",
    );
    check("password = \"", made::password(&mut dice), "\"", "password = \"[redacted: password]\"");
    check("redis://:", made::password(&mut dice), "@cache:6379", "redis://:[redacted: url password]@cache:6379");
    check(
        "wifi password is ",
        made::password(&mut dice),
        ", all lower",
        "wifi password is [redacted: password], all lower",
    );
    check("Password:\n", made::password(&mut dice), "\nbye", "Password:\n[redacted: password]\nbye");
    check("MYSQL_PWD=", "swordfish".to_owned(), "\n", "MYSQL_PWD=[redacted: password]\n");
}

#[test]
fn lists_of_parameters_go_whole() {
    let mut dice = Dice(SEED);
    let secret = dice.of(HEX, 64);
    let text = format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=AB/2026/x, SignedHeaders=host, Signature={secret}\r\nHost: x"
    );
    assert_eq!(redact(&redactor(), &text), "Authorization: AWS4-HMAC-SHA256 [redacted: authorization]\r\nHost: x");
}

#[test]
fn harmless_texts_stay_as_they_are() {
    let redactor = redactor();
    let mut texts: Vec<String> =
        include_str!("../data/harmless.txt").lines().map(|line| line.replace("\\n", "\n")).collect();
    assert!(texts.len() >= 150, "{}", texts.len());
    let mut dice = Dice(SEED);
    for _ in 0..50 {
        let parts = [8, 4, 4, 4, 12].map(|count| dice.of(HEX, count));
        texts.push(format!("The document {} was opened", parts.join("-")));
        texts.push(format!("commit {}\nAuthor: Ann", dice.of(HEX, 40)));
        texts.push(format!("sha256:{}", dice.of(HEX, 64)));
        texts.push(format!("color: #{}; border: 1px", dice.of(HEX, 6)));
        texts.push(format!("data:image/png;base64,{}=", dice.of(made::BASE64, 400)));
        texts.push(format!("integrity=\"sha384-{}\"", dice.of(made::BASE64, 64)));
        texts.push(format!("order 10{} shipped", dice.of("0123456789", 14)));
        texts.push(format!("call +49 30 {}", dice.of("0123456789", 8)));
        texts.push(format!("at 17{} ms", dice.of("0123456789", 11)));
    }
    let changed: Vec<String> = texts
        .iter()
        .filter_map(|text| {
            let output = redactor.redact(text);
            (output.text != text.as_str()).then(|| format!("{text:?} became {:?}", output.text))
        })
        .collect();
    assert!(changed.is_empty(), "{} of {}:\n{}", changed.len(), texts.len(), changed.join("\n"));
}

#[test]
fn numbers_with_a_wrong_check_digit_stay() {
    let redactor = redactor();
    let mut dice = Dice(SEED);
    for number in 0..200 {
        let right = if number % 2 == 0 { made::card(&mut dice, number % 4 == 0) } else { made::iban(&mut dice) };
        let last = right.pop_digit();
        let wrong = format!("it is {}{} there", last.0, (last.1 + 1) % 10);
        assert_eq!(redactor.redact(&wrong).text, wrong);
    }
}

trait PopDigit {
    fn pop_digit(self) -> (String, u32);
}

impl PopDigit for String {
    /// The text without its last character, and that one as a digit. Every number made here ends with one but for letters
    /// that the account of some countries has, which become 0.
    fn pop_digit(mut self) -> (String, u32) {
        let last = self.pop().and_then(|c| c.to_digit(10)).unwrap_or(0);
        (self, last)
    }
}

#[test]
fn settings_say_what_is_looked_for() {
    let mut dice = Dice(SEED);
    let token = format!("{}_{}", "ghp", dice.of(ALNUM, 36));
    let card = made::card(&mut dice, false);
    let text = format!("{token} {card} ticket GARDEN-4711");
    let check = |config: serde_json::Value, expected: &str| {
        let redactor = Redactor::new(serde_json::from_value(config).unwrap()).unwrap();
        assert_eq!(redact(&redactor, &text), expected.replace("TOKEN", &token).replace("CARD", &card));
    };
    check(json!({"enabled": false}), "TOKEN CARD ticket GARDEN-4711");
    check(json!({"kinds": ["payment-card"]}), "TOKEN [redacted: payment card] ticket GARDEN-4711");
    check(json!({"allow": [token.clone()]}), "TOKEN [redacted: payment card] ticket GARDEN-4711");
    check(json!({"allow_patterns": ["ghp_[A-Za-z0-9]{36}"]}), "TOKEN [redacted: payment card] ticket GARDEN-4711");
    check(json!({"allow_patterns": ["ghp_"]}), "[redacted: github token] [redacted: payment card] ticket GARDEN-4711");
    let ticket = json!({"kinds": [], "patterns": [{"name": "ticket", "regex": "ticket (?P<value>[A-Z]+-[0-9]+)"}]});
    check(ticket, "TOKEN CARD ticket [redacted: ticket]");
    let whole = json!({"kinds": [], "patterns": [{"name": "redacted", "regex": "redacted|ticket"}]});
    check(whole, "TOKEN CARD [redacted: redacted] GARDEN-4711");
}

#[test]
fn bad_settings_are_refused() {
    let check = |name: &str, regex: &str, expected: &str| {
        let mut config = RedactionConfig::default();
        config.patterns.push(OwnPattern { name: name.to_owned(), regex: regex.to_owned() });
        assert_eq!(Redactor::new(config).unwrap_err().to_string(), expected);
    };
    check("x", "(", "expected a regular expression as pattern \"x\"");
    check("x", "a*", "expected the pattern \"x\" to match at least one character, and it matches the empty text");
    let name = "expected 1 to 40 characters without brackets and control characters as name of a pattern, got \"a]\"";
    check("a]", "a", name);
    let mut config = RedactionConfig::default();
    config.allow_patterns = vec!["a".into(), "[".into()];
    let error = Redactor::new(config).unwrap_err();
    assert_eq!(error.to_string(), "expected a regular expression as allowed pattern number 2");
    assert!(std::error::Error::source(&error).is_some());
    assert!(serde_json::from_value::<RedactionConfig>(json!({"kind": []})).is_err());
}

#[test]
fn nothing_that_is_shown_for_debugging_holds_a_value() {
    for made in values(SEED + 3) {
        let mut config = RedactionConfig::default();
        config.allow.push(made.secret.clone());
        assert!(!format!("{config:?}").contains(&made.secret));
        assert!(!format!("{:?}", Redactor::new(config).unwrap()).contains(&made.secret));
        let text = format!("password: \"{}\" ", made.value);
        assert!(!format!("{:?}", redactor().redact(&text)).contains(&made.secret), "{}", made.kind);
    }
}

#[test]
fn metadata_is_redacted_by_value_and_by_name() {
    let redactor = redactor();
    for made in values(SEED + 4) {
        let mut value = json!({
            "note": format!("it was {} then", made.value),
            "deep": [{"password": made.value, "n": 3}, [made.value]],
            "api_keys": [made.value],
            "plain": "tea",
            "token_count": 512,
            "ok": [true, null, 1.5],
        });
        let found = redactor.redact_json(&mut value);
        let named = &value["deep"][0]["password"];
        assert!(named.as_str().unwrap().starts_with("[redacted: ") || made.kind == "url", "{} {named}", made.kind);
        assert!(found.iter().any(|finding| finding.pointer == "/deep/0/password"), "{found:?}");
        if made.bare {
            assert!(!value.to_string().contains(&made.secret), "{value}");
            assert!(found.iter().any(|finding| finding.pointer == "/deep/1/0"), "{found:?}");
        }
        assert_eq!(
            (&value["plain"], &value["token_count"], &value["ok"]),
            (&json!("tea"), &json!(512), &json!([true, null, 1.5]))
        );
        let before = value.clone();
        assert!(redactor.redact_json(&mut value).is_empty() && value == before, "{value}");
    }
}

#[test]
fn metadata_keeps_what_is_harmless_and_loses_no_field() {
    let redactor = redactor();
    let harmless = json!({
        "password": null, "password_hint": "the name of the dog", "token": "", "api_key": "<your key>", "tokens": 4096,
        "secret": true, "session": "0190f3a2-7c1e-7aaa-8bbb-123456789abc", "path": "/home/ann/notes.md", "key": "c major",
        "author": "Ann", "password_required": "yes", "token_type": "bearer", "next_page_token": "CAUQAA",
    });
    let mut value = harmless.clone();
    assert!(redactor.redact_json(&mut value).is_empty());
    assert_eq!(value, harmless);

    let mut dice = Dice(SEED);
    let names: Vec<String> = (0..2).map(|_| format!("{}_{}", "ghp", dice.of(ALNUM, 36))).collect();
    let card: u64 = made::card(&mut dice, false).parse().unwrap();
    let mut value = json!({names[0].clone(): 1, names[1].clone(): 2, "card": card, "a/b": {"password": "swordfish"}});
    let found = redactor.redact_json(&mut value);
    let expected = json!({
        "[redacted: github token]": 1, "[redacted: github token] (2)": 2, "card": "[redacted: payment card]",
        "a/b": {"password": "[redacted: password]"},
    });
    let numbers = |value: &mut Value| {
        for name in ["[redacted: github token]", "[redacted: github token] (2)"] {
            value[name] = json!(0);
        }
    };
    let mut expected = expected;
    numbers(&mut value);
    numbers(&mut expected);
    assert_eq!(value, expected);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().any(|finding| finding.pointer == "/a~1b/password" && finding.kind == SecretKind::Assignment));
}

/// Pieces of which texts are made that could confuse the scanner.
fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "password",
        "token",
        "api_key",
        "secret",
        "Authorization",
        "Bearer ",
        "Basic ",
        "=",
        ": ",
        ":",
        "\"",
        "'",
        "`",
        " is ",
        "://",
        "@",
        "user:",
        "/",
        "&",
        ";",
        ",",
        " ",
        "\n",
        "\r\n",
        "\\n",
        "\\\"",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "-----",
        "eyJ",
        ".",
        "sk-",
        "ghp_",
        "AKIA",
        "[redacted: password]",
        "[redacted: ",
        "]",
        "x",
        "ü",
        "密码",
        "：",
        "🔑",
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        "<password>",
        "</",
        "--password ",
        "8Q~",
        ">",
        "=>",
        ":=",
        "(",
        "hunter2",
        "\u{a0}",
        "%3D",
        "\\u0022",
    ]);
    let values = any::<u64>().prop_map(|seed| made::value(&mut Dice(seed), (seed % 40) as usize).value);
    prop_oneof![6 => fixed.prop_map(str::to_owned), 1 => values, 1 => "[a-zA-Z0-9_+/=-]{1,40}", 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redacting_twice_changes_nothing(pieces in prop::collection::vec(piece(), 0..14)) {
        let text = pieces.concat();
        redact(&redactor(), &text);
    }

    #[test]
    fn what_is_not_found_is_kept_to_the_byte(pieces in prop::collection::vec(piece(), 0..10)) {
        let text = pieces.concat();
        let redacted = redactor().redact(&text);
        let mut rebuilt = String::new();
        let mut last = 0;
        for finding in &redacted.findings {
            rebuilt += &text[last..finding.range.start];
            rebuilt += &format!("[redacted: {}]", finding.label);
            last = finding.range.end;
        }
        rebuilt += &text[last..];
        prop_assert_eq!(rebuilt, redacted.text);
    }
}

#[test]
fn hostile_texts_are_read_in_bounded_steps() {
    // Each of these is quadratic if one beginning is followed to the end of the text; that would take an hour.
    let units = [
        "eyJ",
        "-eyJ",
        "sk-",
        "-----BEGIN PRIVATE KEY-----\n",
        "a://",
        "a://b:",
        "password=\"",
        "password='\\\"",
        "password:",
        "AKIA",
        "4111 ",
        "DE89",
        "[redacted: ",
        "Bearer ",
        "Authorization: Digest ",
        "x is ",
        "8Q~",
        "ghp_",
        "--password ",
        "\u{1b}[",
        "aaaa.",
        "eyJaaaaaaaa.",
        "<password>",
        "password: a(",
    ];
    let redactor = redactor();
    for unit in units {
        let text = unit.repeat((1 << 20) / unit.len());
        assert!(redactor.redact(&text).text.len() <= 2 * text.len(), "{unit}");
    }
}
