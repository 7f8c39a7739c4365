"""A question without the words it is wrapped in: "Hi, could you please tell me …", "… Thanks in advance!".

Whoever writes as to a colleague greets, asks to be told, and thanks. No document says so, yet each such word is embedded,
searched for, and missed in what is found: squad2's nDCG@10 falls by one to two points with them, northwind's by three
(docs/retrieval.md), and a name in a greeting reads as one that stands nowhere. What is asked is left as it was typed; words that
say how to answer ("list", "compare", "explain") are part of it.
"""

import re

from ingestion.words import content_words

_TO = (
    r"(?:\s+(?:there|all|again|team|everyone|everybody|folks|colleagues|footnote|assistant|sir|madam|or|and)\b|"
    r"(?-i:\s+[A-Z][\w’'-]+(?=\s*[,!:\n])|\s+[A-Z]+(?=\s+team\b)))*"
)
_MUCH = r"(?:(?:really|just|also|kindly|please|perhaps|maybe|possibly|quickly|still|only|very|first)\s+)*"
_ASKING = r"(?:how|what|when|who|whom|whose|where|which|why|if|whether)"
_SOME = r"(?:(?:all|any|some|the|more|further|a few|a (?:little )?bit|a little|basic|general|detailed|relevant)\s+)*"
_MATTER = r"(?:information|info|details|documentation|documents?|papers?|articles?|pages?|material)"
_ON = (
    r"(?:about|on|regarding|concerning|covering|describing|discussing|dealing with|"
    r"that (?:explains?|describes?|discuss(?:es)?|deals? with|mentions?|covers?|talks? about|speaks? of|(?:is|are) about))\b"
)
_BE = r"(?:['’]m|['’]re|['’]d|\s+am|\s+are|\s+was|\s+were|\s+would)?"
_ANYONE = r"(?:you|someone|somebody|anyone|anybody)(?:\s+here)?"
_TELLING = (
    r"(?:tell|show|give|send|find|get|explain|describe|list|summari[sz]e|clarify|remind|help|inform|point|look up|search|check|"
    r"compare|let (?:me|us) know|outline|provide|shed)"
)
_END = r"(?:\s*[,.!;:]+|\s+[–—-]+(?=\s))"  # "well-being" greets nobody
_COLON = r"\s*(?:the following|this)?\s*[,:]?"

# Taken off the beginning, again and again. A greeting and thanks must end, or they are words of what is asked
# ("Thank you cards: who pays?").
_SAID_BEFORE = (
    rf"(?:hi|hello|hey|hiya|greetings|good (?:morning|afternoon|evening|day)|dear)\b{_TO}(?:\s+team)?"
    rf"(?:{_END}|\n|\s+(?=(?:i|we|can|could|would|please|what|how|when|where|who|which|is|are|do|does)\b))",
    r"(?:ok|okay|great|perfect|alright|all right|cool|nice|good|got it|i see|understood|sorry|excuse me|well|thanks|"
    rf"thank you|many thanks|thx|cheers)(?:\s+(?:a lot|so much|very much|again|for (?:that|this|(?:your|the) (?:help|answer))))?{_END}",
    r"i?\s*hope (?:you(?:['’]re| are)|all is|everything is|this|that this)\b[^.!?,\n]*[.!,\n]",
    r"(?:my name is|this is(?= \w+ (?:here|speaking)\b))\s[^.!?,\n]*[.!,\n]",
    r"(?:i['’]?m|i am) (?:still )?(?:quite |very |rather )?new (?:here|to (?:this|the company)|in the company)\b(?:\s+and\b|[^.!?,\n]*[.!,\n])",
    rf"(?:just |one |another )?(?:a )?(?:quick |short |small |simple )?question{_END}",
    r"please\b,?",
    r"(?:no|sorry),? i meant?\b\s*[:,]?",
    rf"(?:i|we)(?:['’]d|\s+would|\s+do|\s+should)?\s+{_MUCH}(?:like|love|want|need|wish|have)(?:ed)?\s+{_MUCH}to\s+{_MUCH}"
    rf"(?:(?:know|find out)\b|(?:ask(?: you)?|learn|hear|see|understand|be told)\b(?=\s*(?:{_ASKING}|about|more|the following)\b))"
    rf"(?:\s+(?:more|about))*\b{_COLON}",
    rf"(?:i|we){_BE}\s+{_MUCH}(?:wondering|wonder|curious|interested to know)\b\s*,?\s*(?:about\b)?",
    rf"(?:i|we){_BE}\s+{_MUCH}(?:looking|searching|like|want|need|interested|seeking|trying to find)\s*(?:for|in)?\s+"
    rf"{_SOME}{_MATTER}\s+{_ON}{_COLON}",
    r"(?:i|we) have (?:a|one|another|some) (?:quick |short |small |simple )?questions?"
    r"(?:\s+(?:about|on|regarding|concerning|for you))?\b\s*[:,.–—-]*",
    rf"(?:can|could|would|will) {_ANYONE}\s+{_MUCH}(?={_TELLING}\b)",
    rf"(?:(?:does|do) {_ANYONE}|would you) (?:happen to )?know\b\s*"
    rf"(?=(?:{_ASKING}|about|the|an?)\b)(?:about\b)?",
    rf"(?:tell|show|give|remind|inform|help)\s+(?:me|us)\b\s*{_MUCH}(?:(?:to )?(?:understand|find(?: out)?)\s+|with\s+)?"
    rf"{_SOME}(?:{_MATTER}\s+{_ON}|about\b|of\b)?{_COLON}",
    rf"let (?:me|us) know\b\s*(?:about\b)?{_COLON}",
    r"(?:explain|describe) to (?:me|us)\b",
    r"shed (?:some |more )?light on\b",
    r"provide (?:(?:me|us) with\b|(?=(?:the|a|an|some|details|information)\b))",
    rf"(?:find|search for|look for|look up|provide|list|get|(?:is|are) there)\s+(?:me\s+|us\s+)?{_SOME}{_MATTER}\s+{_ON}",
    rf"what (?:can|could) you tell (?:me|us) about\b|what do you know about\b|"
    rf"what (?:do|does|is said in) (?:the|our|my|these) {_MATTER} (?:say|tell (?:me|us)|mention) (?:about|of|on)\b",
)  # fmt: skip
# … and these off the end.
_SAID_AFTER = (
    r"(?:[,.!?;:–—-]\s*|(?<!\bsay)(?<!ing)(?<!\bof)(?<!\bfor)(?<!\bwith)(?<!\bmy)(?<!\bour)(?<!\bto)(?<!\ba)(?<!\bno)\s)"
    r"(?:many\s+)?(?:thanks|thank you|thx|cheers)"
    r"(?:\s+(?:a lot|so much|very much|again|in advance|for (?:your|the|any) (?:help|support|time|answer)))*(?-i:[,.!]\s*[A-Z][\w’'-]+)?",
    r"(?:^|[,.!?\n])\s*(?:(?:best|kind|warm|many)\s+)?regards\b(?-i:(?:\s*[,.\n–—-]?\s*[A-Z][\w’'-]+){0,3})",
    r"(?:^|[,.!?;])\s*(?:any|your) help (?:is|would be|will be) (?:much |greatly |highly |very )?appreciated",
    r"(?:^|[,.!?;])\s*(?:i|we)(?:['’]d| would)(?: really| much| greatly)? appreciate (?:any|your|the|some) (?:help|answer|support|advice)",
    r"(?<!\bi)(?<!\bwe)(?<!\byou)(?<!\bthey)(?<!\bhe)(?<!\bshe)(?<!\bsay)[\s,.!?;]please",
    r"[\s,;](?:do you know|(?:can|could) you tell me|if possible)",
)  # fmt: skip
_BEFORE = re.compile(rf"^\W{{0,20}}(?:{'|'.join(_SAID_BEFORE)})[\s,;:.!–—-]*", re.IGNORECASE)
_AFTER = re.compile(rf"(?:{'|'.join(_SAID_AFTER)})\W*$", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?])(\s+)(?=\S)")
LAYERS = 12
"""Greeting, request and thanks are each one; who says "hi" a thousand times is not read a thousand times."""
AT_THE_END = 160
"""Characters in which what is said last is looked for."""
# "whether I can …" is "can I …", once nobody wonders any more.
_WHETHER = re.compile(
    r"^(?:if|whether) (i|we|you|they|it|there|one) (can|could|may|must|should|will|would|am|is|are|was|were)\b",
    re.IGNORECASE,
)


def without_courtesy(question: str) -> str:
    """Return a question without greeting, request to be told, and thanks; as typed where nothing else would be left."""
    bare = question
    for _ in range(LAYERS):
        before = bare
        head, tail = bare[:-AT_THE_END], bare[-AT_THE_END:]
        bare = _asking(head + _AFTER.sub("", tail, count=1), bare)
        bare = _asking(_BEFORE.sub("", bare, count=1), bare)
        # Further sentences ask as politely; the spaces between them stay as they are.
        first, *further = _SENTENCES.split(bare)
        bare = first + "".join(_asking(_BEFORE.sub("", part, count=1), part) for part in further)
        if bare == before:
            break
    if bare == question:
        return question
    bare = _WHETHER.sub(r"\2 \1", bare).rstrip(" ,;:")
    return f"{bare}?" if "?" in question and bare[-1:] not in "?.!" else bare


def _asking(rest: str, otherwise: str) -> str:
    return rest if content_words(rest) else otherwise
