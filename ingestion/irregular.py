"""Forms of English words that no rule of endings makes: "lost" of lose, "children" of child.

A question asks in one form what a text says in another ("When did it begin?", "It began in May"), and a stemmer leaves these
apart. Left out is what is more often another word: found (it was founded), left (annual leave), rose, bore and born, lay, wound.
"""

FORMS = {
    base: tuple(forms.split())
    for base, forms in {
        "arise": "arose arisen", "awake": "awoke awoken", "become": "became", "begin": "began begun", "bend": "bent",
        "bite": "bit bitten", "bleed": "bled", "blow": "blew blown", "break": "broke broken", "breed": "bred",
        "bring": "brought", "build": "built", "burn": "burnt", "buy": "bought", "catch": "caught", "choose": "chose chosen",
        "come": "came", "creep": "crept", "deal": "dealt", "dig": "dug", "draw": "drew drawn", "dream": "dreamt",
        "drink": "drank drunk", "drive": "drove driven", "eat": "ate eaten", "fall": "fell fallen", "feed": "fed",
        "feel": "felt", "fight": "fought", "flee": "fled", "fly": "flew flown", "forbid": "forbade forbidden",
        "forget": "forgot forgotten", "forgive": "forgave forgiven", "freeze": "froze frozen", "go": "went gone",
        "grow": "grew grown", "hang": "hung", "hear": "heard", "hide": "hid hidden", "hold": "held", "keep": "kept",
        "kneel": "knelt", "lead": "led", "learn": "learnt", "lend": "lent", "lose": "lost", "make": "made", "mean": "meant",
        "meet": "met", "mislead": "misled", "mistake": "mistook mistaken", "overcome": "overcame", "overtake": "overtook overtaken",
        "overthrow": "overthrew overthrown", "pay": "paid", "prove": "proven", "rebuild": "rebuilt", "repay": "repaid",
        "rewrite": "rewrote rewritten", "ride": "rode ridden", "ring": "rang rung", "rise": "risen", "run": "ran", "say": "said",
        "see": "saw seen", "seek": "sought", "sell": "sold", "send": "sent", "sew": "sewn", "shake": "shook shaken",
        "shine": "shone", "shoot": "shot", "shrink": "shrank shrunk", "sing": "sang sung", "sink": "sank sunk", "sit": "sat",
        "sleep": "slept", "slide": "slid", "speak": "spoke spoken", "speed": "sped", "spell": "spelt", "spend": "spent",
        "spin": "spun", "spring": "sprang sprung", "stand": "stood", "steal": "stole stolen", "stick": "stuck",
        "sting": "stung", "strike": "struck stricken", "strive": "strove striven", "swear": "swore sworn", "sweep": "swept",
        "swim": "swam swum", "swing": "swung", "take": "took taken", "teach": "taught", "tear": "tore torn",
        "think": "thought", "throw": "threw thrown", "understand": "understood", "undertake": "undertook undertaken",
        "uphold": "upheld", "wake": "woke woken", "wear": "wore worn", "weave": "wove woven", "weep": "wept", "win": "won",
        "withdraw": "withdrew withdrawn", "withhold": "withheld", "withstand": "withstood", "write": "wrote written",
        "child": "children", "crisis": "crises", "criterion": "criteria", "curriculum": "curricula", "foot": "feet",
        "goose": "geese", "half": "halves", "hypothesis": "hypotheses", "index": "indices", "knife": "knives",
        "man": "men", "matrix": "matrices", "mouse": "mice", "ox": "oxen", "phenomenon": "phenomena", "shelf": "shelves",
        "stimulus": "stimuli", "thesis": "theses", "thief": "thieves", "tooth": "teeth", "vertex": "vertices",
        "wife": "wives", "wolf": "wolves", "woman": "women", "appendix": "appendices", "bacterium": "bacteria",
    }.items()
}  # fmt: skip
"""Base forms with the others, in lower case and American spelling."""

_BASES = {form: base for base, forms in FORMS.items() for form in forms}


def base_form(word: str) -> str:
    """Return what a word in lower case is a form of; the word itself where it is none of these."""
    return _BASES.get(word, word)


def other_forms(word: str) -> tuple[str, ...]:
    """Return the forms of a word in lower case that its own ending does not lead to; most words have none.

    Not of one that ends in -ing: a building is seldom about what was built, nor a meeting about who met.
    """
    base = base_form(word)
    base = base if base in FORMS else base.removesuffix("s")
    return tuple(form for form in (base, *FORMS[base]) if form != word) if base in FORMS else ()
