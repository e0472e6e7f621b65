"""What people write to each other here, chosen so that a server which tidies up text gives itself away."""

from __future__ import annotations

CONVERSATION = (
    "سلام! می\u200cخواهم فردا بیایم، می\u200cشود؟",  # half-spaces (zero-width non-joiners)
    "Of course. When will you arrive?",
    "ساعت ۵:۳۰ بعدازظهر؛ شمارهٔ من ۰۲۱\u200f-\u200e12345 است.",  # bidi marks around a number in a Persian line
    "\u2067نشانی: \u2066Café «Naderi», No. 7\u2069، طبقهٔ ۲\u2069",  # isolates
    "\u202bعربي: يك كتاب\u202c",  # embedding; Arabic yeh and kaf are not the Persian letters
    "e\u0301 is not é, and ﷽ stays one letter",  # decomposed and composed
    "👩🏽\u200d🚀👨\u200d👩\u200d👧\u200d👦 🇮🇷 ❤\ufe0f 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "  spaces at both ends,\ttabs\r\nand\u2028line\u0085ends  ",
    'quotes " \\ / </script> & \u0000 \u001b \u007f \ufeff \uffff \U0010ffff',
)
NAMES = ("نازنین \u200cزهرا 🌷", "Ali \u202eilA\u202c")
TOPIC = "گفت\u200cوگوی همگانی - everybody's conversation"
