//! Keys of known providers: the prefixes and shapes that the providers document, so that a key can be told without a
//! word beside it.

use std::ops::Range;
use std::sync::LazyLock;

use super::bytes::{at, goes_on, run};
use super::shape;

/// The characters of what follows a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chars {
    Hex,
    /// Capital letters and digits.
    Upper,
    Alnum,
    /// And `_`.
    Word,
    /// And `_` and `-`.
    Url,
    /// And `_`, `-` and `.`.
    Dotted,
    /// Base64 of either alphabet.
    Base64,
    /// And `_`, `-` and `/`.
    Path,
}

/// How a key of a provider looks.
#[derive(Debug)]
struct Rule {
    prefix: &'static str,
    label: &'static str,
    chars: Chars,
    /// At least so many characters follow the prefix. A little less than what is documented, where that may change.
    min: usize,
    /// At most so many; more, and it is something else.
    max: usize,
    /// Whether it is told in the middle of a word too. A short prefix is not: it turns up in any long text of letters.
    anywhere: bool,
}

const ANY: usize = usize::MAX;

const fn rule(prefix: &'static str, label: &'static str, chars: Chars, min: usize) -> Rule {
    Rule { prefix, label, chars, min, max: ANY, anywhere: true }
}

/// A prefix that is found only where a word begins.
const fn word(prefix: &'static str, label: &'static str, chars: Chars, min: usize, max: usize) -> Rule {
    Rule { prefix, label, chars, min, max, anywhere: false }
}

/// Of rules that begin alike the longer prefix stands first.
#[rustfmt::skip]
static RULES: &[Rule] = &[
    // code hosting
    rule("github_pat_", "github token", Chars::Word, 40),
    rule("ghp_", "github token", Chars::Alnum, 30),
    rule("gho_", "github token", Chars::Alnum, 30),
    rule("ghu_", "github token", Chars::Alnum, 30),
    rule("ghs_", "github token", Chars::Alnum, 30),
    rule("ghr_", "github token", Chars::Alnum, 30),
    rule("glpat-", "gitlab token", Chars::Dotted, 20),
    rule("gldt-", "gitlab token", Chars::Dotted, 20),
    rule("glrt-", "gitlab token", Chars::Dotted, 20),
    rule("glrtr-", "gitlab token", Chars::Dotted, 20),
    rule("glptt-", "gitlab token", Chars::Dotted, 20),
    rule("glcbt-", "gitlab token", Chars::Dotted, 20),
    rule("glft-", "gitlab token", Chars::Dotted, 20),
    rule("glsoat-", "gitlab token", Chars::Dotted, 20),
    rule("glimt-", "gitlab token", Chars::Dotted, 20),
    rule("glagent-", "gitlab token", Chars::Dotted, 20),
    rule("gloas-", "gitlab token", Chars::Dotted, 20),
    word("ATBB", "bitbucket password", Chars::Alnum, 28, 32),
    // clouds
    word("AKIA", "aws key", Chars::Upper, 16, ANY),
    word("ASIA", "aws key", Chars::Upper, 16, ANY),
    word("ABIA", "aws key", Chars::Upper, 16, ANY),
    word("ACCA", "aws key", Chars::Upper, 16, ANY),
    word("AIza", "google key", Chars::Url, 35, ANY),
    word("ya29.", "google token", Chars::Dotted, 20, ANY),
    rule("GOCSPX-", "google secret", Chars::Url, 24),
    word("1//0", "google token", Chars::Url, 40, ANY),
    rule("dop_v1_", "digitalocean token", Chars::Hex, 60),
    rule("doo_v1_", "digitalocean token", Chars::Hex, 60),
    rule("dor_v1_", "digitalocean token", Chars::Hex, 60),
    word("LTAI", "alibaba key", Chars::Alnum, 16, 24),
    word("AKID", "tencent key", Chars::Alnum, 32, 32),
    rule("HRKU-", "heroku key", Chars::Url, 36),
    word("fm1a_", "fly token", Chars::Base64, 40, ANY),
    word("fm1r_", "fly token", Chars::Base64, 40, ANY),
    word("fm2_", "fly token", Chars::Base64, 40, ANY),
    word("nfp_", "netlify token", Chars::Alnum, 36, ANY),
    rule("vercel_blob_rw_", "vercel token", Chars::Word, 30),
    rule("pscale_tkn_", "planetscale token", Chars::Dotted, 32),
    rule("pscale_oauth_", "planetscale token", Chars::Dotted, 32),
    rule("pscale_pw_", "planetscale password", Chars::Dotted, 32),
    word("sbp_", "supabase token", Chars::Hex, 40, ANY),
    rule("sb_secret_", "supabase key", Chars::Url, 20),
    rule("tskey-", "tailscale key", Chars::Url, 20),
    rule("hvs.", "vault token", Chars::Url, 24),
    rule("hvb.", "vault token", Chars::Url, 24),
    rule("hvr.", "vault token", Chars::Url, 24),
    rule(".atlasv1.", "terraform token", Chars::Base64, 60),
    rule("dp.pt.", "doppler token", Chars::Alnum, 40),
    rule("dp.st.", "doppler token", Chars::Dotted, 40),
    rule("dp.ct.", "doppler token", Chars::Alnum, 40),
    rule("dp.sa.", "doppler token", Chars::Alnum, 40),
    rule("dp.scim.", "doppler token", Chars::Alnum, 40),
    rule("dp.audit.", "doppler token", Chars::Alnum, 40),
    word("pul-", "pulumi token", Chars::Hex, 40, ANY),
    word("sha256~", "openshift token", Chars::Url, 43, ANY),
    word("dapi", "databricks token", Chars::Hex, 32, 32),
    // models
    rule("sk-ant-", "anthropic key", Chars::Url, 20),
    rule("sk-proj-", "openai key", Chars::Url, 20),
    rule("sk-svcacct-", "openai key", Chars::Url, 20),
    rule("sk-admin-", "openai key", Chars::Url, 20),
    rule("sk-or-v1-", "openrouter key", Chars::Hex, 40),
    word("sk-", "api key", Chars::Url, 20, ANY),
    word("sess-", "openai key", Chars::Alnum, 40, 40),
    word("hf_", "huggingface token", Chars::Alnum, 30, ANY),
    rule("api_org_", "huggingface token", Chars::Alnum, 30),
    word("gsk_", "groq key", Chars::Alnum, 40, ANY),
    rule("xai-", "xai key", Chars::Alnum, 60),
    rule("pplx-", "perplexity key", Chars::Alnum, 40),
    word("r8_", "replicate token", Chars::Alnum, 37, ANY),
    rule("nvapi-", "nvidia key", Chars::Url, 60),
    rule("csk-", "cerebras key", Chars::Alnum, 40),
    rule("tvly-", "tavily key", Chars::Url, 28),
    rule("pcsk_", "pinecone key", Chars::Word, 40),
    rule("lsv2_pt_", "langsmith key", Chars::Word, 40),
    rule("lsv2_sk_", "langsmith key", Chars::Word, 40),
    word("jina_", "jina key", Chars::Url, 40, ANY),
    word("fc-", "firecrawl key", Chars::Hex, 32, 32),
    // messages
    rule("xoxe.xoxp-", "slack token", Chars::Url, 20),
    rule("xoxe.xoxb-", "slack token", Chars::Url, 20),
    rule("xoxb-", "slack token", Chars::Url, 20),
    rule("xoxp-", "slack token", Chars::Url, 20),
    rule("xoxa-", "slack token", Chars::Url, 20),
    rule("xoxr-", "slack token", Chars::Url, 20),
    rule("xoxs-", "slack token", Chars::Url, 20),
    rule("xoxe-", "slack token", Chars::Url, 20),
    rule("xoxc-", "slack token", Chars::Url, 20),
    rule("xoxd-", "slack token", Chars::Base64, 20),
    rule("xapp-", "slack token", Chars::Url, 20),
    rule("hooks.slack.com/services/", "slack webhook", Chars::Path, 24),
    rule("hooks.slack.com/workflows/", "slack webhook", Chars::Path, 24),
    rule("hooks.slack.com/triggers/", "slack webhook", Chars::Path, 24),
    rule("discord.com/api/webhooks/", "discord webhook", Chars::Path, 60),
    rule("discordapp.com/api/webhooks/", "discord webhook", Chars::Path, 60),
    word("SG.", "sendgrid key", Chars::Dotted, 40, ANY),
    word("key-", "mailgun key", Chars::Hex, 32, 32),
    rule("xkeysib-", "brevo key", Chars::Url, 60),
    rule("xsmtpsib-", "brevo key", Chars::Url, 60),
    rule("mlsn.", "mailersend key", Chars::Hex, 60),
    word("SK", "twilio key", Chars::Hex, 32, 32),
    // money
    rule("sk_live_", "stripe key", Chars::Alnum, 16),
    rule("sk_test_", "stripe key", Chars::Alnum, 16),
    rule("rk_live_", "stripe key", Chars::Alnum, 16),
    rule("rk_test_", "stripe key", Chars::Alnum, 16),
    rule("whsec_", "webhook secret", Chars::Base64, 24),
    rule("sq0atp-", "square token", Chars::Url, 22),
    rule("sq0csp-", "square secret", Chars::Url, 40),
    word("EAAA", "square token", Chars::Url, 60, 60),
    rule("shpat_", "shopify token", Chars::Hex, 32),
    rule("shpca_", "shopify token", Chars::Hex, 32),
    rule("shppa_", "shopify token", Chars::Hex, 32),
    rule("shpss_", "shopify secret", Chars::Hex, 32),
    rule("access-sandbox-", "plaid token", Chars::Url, 36),
    rule("access-development-", "plaid token", Chars::Url, 36),
    rule("access-production-", "plaid token", Chars::Url, 36),
    rule("FLWSECK_TEST-", "flutterwave key", Chars::Url, 12),
    rule("FLWSECK-", "flutterwave key", Chars::Url, 12),
    rule("shippo_live_", "shippo token", Chars::Hex, 40),
    rule("shippo_test_", "shippo token", Chars::Hex, 40),
    rule("duffel_live_", "duffel token", Chars::Url, 43),
    rule("duffel_test_", "duffel token", Chars::Url, 43),
    // packages and builds
    rule("npm_", "npm token", Chars::Alnum, 36),
    rule("pypi-", "pypi token", Chars::Url, 50),
    rule("rubygems_", "rubygems key", Chars::Hex, 40),
    word("cio", "crates.io token", Chars::Alnum, 32, 32),
    word("oy2", "nuget key", Chars::Alnum, 43, 43),
    rule("dckr_pat_", "docker token", Chars::Url, 20),
    rule("dckr_oat_", "docker token", Chars::Url, 20),
    word("AKCp", "artifactory key", Chars::Alnum, 60, ANY),
    rule("CCIPAT_", "circleci token", Chars::Word, 40),
    rule("CCIPRJ_", "circleci token", Chars::Word, 40),
    rule("bkua_", "buildkite token", Chars::Hex, 40),
    word("sqp_", "sonarqube token", Chars::Hex, 40, ANY),
    word("squ_", "sonarqube token", Chars::Hex, 40, ANY),
    word("sqa_", "sonarqube token", Chars::Hex, 40, ANY),
    rule("pnu_", "prefect key", Chars::Alnum, 36),
    // work
    rule("ATATT3", "atlassian token", Chars::Base64, 60),
    rule("ATCTT3", "atlassian token", Chars::Base64, 60),
    rule("lin_api_", "linear key", Chars::Alnum, 32),
    rule("lin_oauth_", "linear key", Chars::Alnum, 32),
    word("ntn_", "notion token", Chars::Alnum, 40, ANY),
    word("secret_", "notion token", Chars::Alnum, 43, 43),
    rule("figd_", "figma token", Chars::Url, 36),
    rule("PMAK-", "postman key", Chars::Url, 50),
    rule("CFPAT-", "contentful token", Chars::Url, 40),
    rule("pat-na1-", "hubspot token", Chars::Url, 32),
    rule("pat-eu1-", "hubspot token", Chars::Url, 32),
    word("tfp_", "typeform token", Chars::Dotted, 40, ANY),
    rule("rdme_", "readme key", Chars::Alnum, 60),
    // watching
    rule("NRAK-", "newrelic key", Chars::Upper, 27),
    rule("NRJS-", "newrelic key", Chars::Hex, 19),
    rule("glsa_", "grafana token", Chars::Word, 40),
    rule("glc_", "grafana token", Chars::Base64, 32),
    rule("sntrys_", "sentry token", Chars::Base64, 60),
    rule("sntryu_", "sentry token", Chars::Hex, 60),
    // people
    word("EAACEdEose0cBA", "facebook token", Chars::Alnum, 20, ANY),
    word("EAA", "facebook token", Chars::Alnum, 90, ANY),
    rule("AGE-SECRET-KEY-1", "age key", Chars::Upper, 50),
    rule("ops_eyJ", "1password token", Chars::Base64, 60),
];

/// The rules by the first byte of their prefix.
static BY_FIRST: LazyLock<[Vec<&'static Rule>; 128]> = LazyLock::new(|| {
    let mut by_first = [const { Vec::new() }; 128];
    for rule in RULES {
        let first = usize::from(at(rule.prefix.as_bytes(), 0));
        if let Some(rules) = by_first.get_mut(first) {
            rules.push(rule);
        }
    }
    by_first
});

/// So many characters of a key are looked at to tell it from words; the rest only extends it.
const LOOKED_AT: usize = 64;

/// The labels of all providers.
pub(super) fn labels() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.label).chain(["discord token", "telegram token", "mailchimp key", "azure secret"])
}

/// The key of a provider that begins exactly there, its prefix included.
///
/// `begins` tells that a word begins there.
pub(super) fn key_at(text: &str, start: usize, begins: bool) -> Option<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let rules = BY_FIRST.get(usize::from(at(bytes, start)))?;
    rules.iter().filter(|rule| begins || rule.anywhere).find_map(|rule| {
        let body = start + rule.prefix.len();
        let fits = goes_on(bytes, start, rule.prefix.as_bytes());
        let end = if fits { rule.end(text, body)? } else { return None };
        Some((start..end, rule.label))
    })
}

/// Keys that are told by what stands in their middle, in a word that begins at `start` and ends at `end`.
pub(super) fn shaped_at(bytes: &[u8], start: usize, end: usize) -> Option<(Range<usize>, &'static str)> {
    let is_url = |byte| Chars::Url.has(byte);
    let tail = |from: usize| run(bytes, from, 256, is_url);
    match (at(bytes, start), at(bytes, end)) {
        // A bot of Discord: its number in base64, a time, a signature.
        (b'M' | b'N' | b'O', b'.') if (23..=28).contains(&(end - start)) => {
            let time = tail(end + 1);
            let last = tail(time + 1);
            let fits = (6..=7).contains(&(time - end - 1)) && at(bytes, time) == b'.' && last - time > 26;
            fits.then_some((start..last, "discord token"))
        }
        // A bot of Telegram: its number, then 35 characters.
        (b'0'..=b'9', b':') if (8..=10).contains(&(end - start)) && goes_on(bytes, end + 1, b"AA") => {
            let number = bytes.get(start..end).is_some_and(|number| number.iter().all(u8::is_ascii_digit));
            let last = tail(end + 1);
            (number && (34..=36).contains(&(last - end - 1))).then_some((start..last, "telegram token"))
        }
        // Mailchimp: 32 hexadecimal digits and a data centre.
        (b'0'..=b'9' | b'a'..=b'f', _) if (36..=37).contains(&(end - start)) && goes_on(bytes, start + 32, b"-us") => {
            let hex = bytes.get(start..start + 32)?.iter().all(|&byte| Chars::Hex.has(byte));
            let centre = bytes.get(start + 35..end)?.iter().all(u8::is_ascii_digit);
            (hex && centre).then_some((start..end, "mailchimp key"))
        }
        _ => None,
    }
}

/// The secret of an application in Azure around the `~` at a position: `abc8Q~` and 31 to 34 characters.
pub(super) fn azure_at(bytes: &[u8], tilde: usize) -> Option<Range<usize>> {
    let start = tilde.checked_sub(5)?;
    let is_part = |byte: u8| Chars::Dotted.has(byte) || byte == b'~';
    let head = bytes.get(start..start + 3)?.iter().all(|&byte| is_part(byte));
    let mark = at(bytes, start + 3).is_ascii_digit() && at(bytes, start + 4) == b'Q';
    let end = run(bytes, tilde + 1, 40, is_part);
    (head && mark && (31..=34).contains(&(end - tilde - 1))).then_some(start..end)
}

impl Rule {
    /// Where a key ends whose prefix ends at `body`.
    fn end(&self, text: &str, body: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let looked_at = run(bytes, body, LOOKED_AT.max(self.min), |byte| self.chars.has(byte));
        if looked_at - body < self.min {
            return None;
        }
        let sample = text.get(body..looked_at)?;
        let random = match self.chars {
            // Words can be made of these.
            Chars::Word | Chars::Url | Chars::Dotted | Chars::Base64 => !shape::is_words(sample),
            // Behind a whole address, or made of what words are not made of.
            Chars::Path | Chars::Hex | Chars::Upper | Chars::Alnum => !shape::is_uniform(sample),
        };
        if !random {
            return None;
        }
        let end = run(bytes, looked_at, bytes.len(), |byte| self.chars.has(byte));
        let end = run_without_stop(bytes, end);
        let part_of_more = matches!(self.chars, Chars::Hex | Chars::Upper) && at(bytes, end).is_ascii_alphanumeric();
        (end - body >= self.min && end - body <= self.max && !part_of_more).then_some(end)
    }
}

impl Chars {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'=' | b'%'),
            Self::Path => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/'),
        }
    }
}

/// A full stop at the end belongs to the sentence.
fn run_without_stop(bytes: &[u8], end: usize) -> usize {
    super::bytes::run_back(bytes, end, 3, |byte| byte == b'.').min(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_prefixes_stand_before_what_they_begin_with() {
        for (number, rule) in RULES.iter().enumerate() {
            for later in RULES.iter().skip(number + 1) {
                assert!(!later.prefix.starts_with(rule.prefix), "{} hides {}", rule.prefix, later.prefix);
            }
        }
    }
}
