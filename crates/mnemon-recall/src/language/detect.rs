//! Telling English from other languages by its function words.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::terms::words;

/// As many words of a text are looked at: a sentence or two show their language.
const WORDS: usize = 60;

/// Words that are frequent in one language and rare in the others. The language whose words a text has most often is its
/// language; texts in scripts of their own have none of these words.
const FUNCTION_WORDS: [(&str, bool); 7] = [
    (
        "the and of to is was are were you your i my it that this with for have has did do does what when where who how \
         which be been not but from they he she we our on at can will would about",
        true,
    ),
    (
        "der die das und ist war sind ich du mein meine dein nicht mit ein eine einen den dem des auf wir ihr wie wo wer \
         wann hat habe haben zu von für",
        false,
    ),
    (
        "le la les et est un une des du je tu mon ma mes ton ne pas que qui pour avec dans nous vous où il elle ai",
        false,
    ),
    (
        "el la los las y es un una de que mi tu no con para en por qué cuándo dónde quién yo ella nosotros está fue",
        false,
    ),
    ("il lo la gli e è un una di che mio mia non con per in dove quando chi io tu noi sono ho era del della", false),
    ("o os as e é um uma de que meu minha não com para em onde quando quem eu você nós foi está do da", false),
    ("de het een en is ik je mijn niet met van dat die op voor waar wanneer wie hoe wij zijn was heb heeft", false),
];

/// In which of the lists each word stands, as bits: every word of every text is looked up.
static LISTS: LazyLock<HashMap<&str, u8>> = LazyLock::new(|| {
    let mut lists = HashMap::new();
    for (number, (list, _)) in FUNCTION_WORDS.iter().enumerate() {
        for word in list.split(' ') {
            *lists.entry(word).or_default() |= 1 << number;
        }
    }
    lists
});

/// Whether English patterns may be asked of a text. A text without any function word, such as `Lisbon 2019`, may well be
/// English when its letters are.
pub(crate) fn is_english(text: &str) -> bool {
    let mut counts = [0usize; FUNCTION_WORDS.len()];
    let mut ascii = true;
    for word in words(text).take(WORDS) {
        ascii &= word.is_ascii();
        let lists = LISTS.get(word.as_str()).copied().unwrap_or(0);
        for (number, count) in counts.iter_mut().enumerate() {
            *count += usize::from(lists >> number & 1 == 1);
        }
    }
    let best = |english: bool| {
        let counts = counts.iter().zip(&FUNCTION_WORDS).filter(|(_, (_, e))| *e == english);
        counts.map(|(count, _)| *count).max().unwrap_or(0)
    };
    let (english, other) = (best(true), best(false));
    // A tie is one word that two languages share, such as `met`.
    english >= other && (english > 0 || ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_told_from_its_neighbours() {
        for text in [
            "When did Ann go to the support group?",
            "I prefer tea",
            "We met last week",
            "Lisbon 2019",
            "my sister's café",
            "What is the Spanish word 'dónde'?",
        ] {
            assert!(is_english(text), "{text}");
        }
        for text in [
            "Wann war ich in der Schule?",
            "Où est ma clé ?",
            "¿Cuándo fue la boda de mi hermana?",
            "Dove ho messo la chiave?",
            "Onde está o meu carro?",
            "Waar is mijn fiets?",
            "我的钥匙在哪里?",
            "Где мой велосипед?",
            "東京タワー",
        ] {
            assert!(!is_english(text), "{text}");
        }
    }
}
