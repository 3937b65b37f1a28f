//! English.
//!
//! `about_past`, `standing_order` and `preference` were written after reading questions of user-assistant chats of the
//! development set; the rest comes from grammar alone. The card of the weights says what each is worth.

use super::Data;

pub(super) const DATA: Data = Data {
    stop_words:
        "a an and are as at be been being but by can could did do does doing for from had has have having he her
        hers him his how i if in into is it its just me my of on or our she should so some than that the their them then
        there these they this those to was we were what when where which while who whom why will with would you your
        yours am not no nor too very s t don didn doesn isn wasn m re ve ll d",
    fillers: "well remember know say said saying told tell again please really also ok okay yes yeah hey oh hi hello anyway
        actually basically honestly already once more mention mentioned course sure thing think guess mean reminder note",
    time: r"(?i)\b(yesterday|today|tonight|tomorrow|last|next|ago|week|weekend|month|year|monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|june|july|august|september|october|november|december|\d{4}|recently|since|for \w+ years|started|finally|just)\b",
    number: r"(?i)\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten|twice|once|several|couple|few)\b",
    first_person: r"\b(I|I'm|I've|my|we|our)\b",
    standing_order: r"(?i)(?:^|[.!?\n]\s*)(?:please,? )?(?:always|never|from now on|whenever i|when i ask|every time i|remember to|make sure to always|don't ever|do not ever)\b",
    preference: r"(?i)\bI(?:'d| would)? (?:really |always |usually |generally |much |strongly )?(?:prefer|like to|rather)\b|\bmy preference|\bI(?:'m| am) (?:more )?comfortable with\b",
    negation: r"(?i)\b(?:no|not|never|none|nobody|nothing|neither|nor|without|cannot|no longer)\b|n['’]t\b",
    asks_when: r"(?i)^(?:when|how long|what (?:date|year|month|day)|which (?:year|month|day))",
    asks_quantity: r"(?i)how (?:many|much|often|long)|percentage|what (?:number|score|rate|average)|average",
    about_me: r"(?i)\b(i|i'm|i've|i'd|my|me|mine|myself|we|our|us)\b",
    about_you: r"(?i)\b(?:did|have|had|do) you\b|\byou (?:\w+ )?(?:recommend|suggest|advise|mention|explain|describe|outline|propose|tell|told|said|gave|give|provide|say)\w*\b|\byour (?:recommend|suggest|advice|answer|explanation|response)\w*",
    about_past: r"(?i)\b(did|have i|has|have you|had|was|were|mention\w*|brought|discuss\w*|said|told|ever|so far|throughout|conversations?|across|progress\w*|summar\w*|recap|order in which|over time|last|ago|previous\w*|before|earlier|remember|when (?:do|does|is|will)|how (?:many|much|long|often)|percentage|first)\b",
    yes_or_no: r"(?i)^(?:have|has|had|did|do|does|is|are|was|were|am) ",
};
