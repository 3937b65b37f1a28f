//! What the fuzz targets share: a model that costs nothing, and memories to be found. A target holds one store for its
//! whole life, and no input changes it for the next one.

use std::sync::Arc;

use mnemon_core::{
    EmbedError, Embedder, Embeddings, Kind, MemoryId, ModelId, NewMemory, NewTurn, Placement, Purpose, Role, Scope,
    TextRun, Timestamp, TokenEmbedder, TokenVectors,
};
use mnemon_long_term::{Append, Embed, Level, LongTerm};
use mnemon_store::{NewSession, Store, StoreError};

/// Values of a vector.
pub const DIMENSION: usize = 16;
const PIECE_DIMENSION: usize = 128;

/// Vectors of a text: sums of the hashes of its words, and one for each word as a piece.
#[derive(Debug)]
pub struct HashEmbedder(ModelId);

impl Default for HashEmbedder {
    fn default() -> Self {
        Self(ModelId { name: "hashed-words".into(), revision: "1".into(), dtype: "f32".into() })
    }
}

impl HashEmbedder {
    fn vector(text: &str) -> [f32; DIMENSION] {
        let mut vector = [0.01; DIMENSION];
        for word in words(text) {
            let hash = hash(word);
            vector[hash as usize % DIMENSION] += if hash & 0x10000 == 0 { 1.0 } else { -1.0 };
        }
        vector
    }

    fn pieces(text: &str) -> TokenVectors {
        let (mut ids, mut values) = (Vec::new(), Vec::new());
        for word in words(text).take(8) {
            let mut hash = hash(word);
            ids.push((hash & 0xffff) as u32);
            values.extend((0..PIECE_DIMENSION).map(|_| {
                hash = hash.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                if hash >> 63 == 0 { 1.0 } else { -1.0 }
            }));
        }
        TokenVectors::new(ids, PIECE_DIMENSION, values)
    }
}

impl Embedder for HashEmbedder {
    fn model(&self) -> &ModelId {
        &self.0
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        Ok(Embeddings::new(DIMENSION, texts.iter().flat_map(|text| Self::vector(text)).collect()))
    }

    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        Some(self)
    }
}

impl TokenEmbedder for HashEmbedder {
    fn dimension(&self) -> usize {
        PIECE_DIMENSION
    }

    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError> {
        let own = runs.iter().flat_map(|run| run.texts.get(run.own()).unwrap_or_default());
        Ok(own.map(|text| Self::pieces(text)).collect())
    }

    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError> {
        Ok((Self::vector(text).to_vec(), Self::pieces(text)))
    }

    fn piece(&self, _: u32) -> Option<&str> {
        Some("heron")
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn hash(word: &str) -> u64 {
    let fnv = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    (fnv ^ (fnv >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Long-term memory over a store, with the model above, that has nothing in memory yet.
pub fn long_term(store: &Arc<Store>) -> LongTerm {
    LongTerm::new(Arc::clone(store), Some(Arc::new(HashEmbedder::default())), Level::Thorough)
}

/// A scope of a user.
pub fn scope(user: &str) -> Scope {
    Scope::user_scope(user).expect("a name")
}

/// Texts in which words of questions occur, in several scripts, some so long that they stand in the index of whole texts.
pub const TEXTS: [&str; 12] = [
    "The heron stands in the estuary at low tide",
    "NEAR the harbour AND not far from the ferry, OR so she said",
    "Ann's boiler was serviced on 2025-03-02 for £140.50",
    "\"quoted\" text: with * and ^ and (parentheses) and col:umn",
    "雨が降る日に東京タワーへ行きました",
    "我喜欢在图书馆看书，特别是下雨天",
    "กรุงเทพมหานครเป็นเมืองหลวง",
    "Der Bär läuft über die Straße, naïve café, İstanbul",
    "لا أحب الفول السوداني",
    "👩‍👩‍👧 emoji 🦆 between words",
    "x' OR '1'='1' -- DROP TABLE memory; SELECT * FROM memory",
    "zero\0byte and \u{feff} marks and \u{202e}turned\u{202c} text",
];

/// Stores [`TEXTS`] in a scope: each alone as a note, all together as a document, and as long turns, which alone stand in
/// the index of whole texts. `mark` stands in each. Returns their ids, the turns last.
pub fn fill(memory: &LongTerm, scope: &Scope, mark: &str) -> Vec<MemoryId> {
    let now = Timestamp::UNIX_EPOCH;
    let long = |from: usize| {
        let texts: Vec<&str> =
            (0..4).flat_map(|_| TEXTS.iter().cycle().skip(from).take(TEXTS.len()).copied()).collect();
        format!("{} {mark}", texts.join(". "))
    };
    let notes = TEXTS.iter().map(|text| NewMemory::new(Kind::Note, format!("{text} {mark}")));
    let new: Vec<NewMemory> = notes.chain([NewMemory::new(Kind::Document, long(0))]).collect();
    let mut added = memory.add(scope, &new, Embed::Now, now).expect("they are stored").added;
    let session = memory.store().write(|tx| -> Result<_, StoreError> {
        tx.start_session(tx.ensure_scope(scope)?, &NewSession::unnamed(now), now)
    });
    let turns: Vec<NewTurn> = (0..LONG_TURNS).map(|n| NewTurn::new(Role::User, long(n)).by("Nora")).collect();
    let append = Append {
        scope,
        session: &session.expect("a session"),
        turns: &turns,
        placement: Placement::LongTerm,
        embed: Embed::Now,
        now,
    };
    added.extend(memory.append(&append).expect("they are stored").added);
    added.into_iter().map(|added| added.id).collect()
}

/// How many long turns [`fill`] stores.
pub const LONG_TURNS: usize = 4;
