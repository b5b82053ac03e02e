"""Words of numbers, of the calendar and of units, as pieces of regular expressions in lower case."""

from __future__ import annotations


def either(*words: str) -> str:
    """Return a group that matches one of the words, the longest first."""
    return (
        "(?:"
        + "|".join(sorted((w for word in words for w in word.split("|")), key=len, reverse=True))
        + ")"
    )


# A cardinal number in words: "twenty-five", "two hundred and six", "one and a half".
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fourty|fifty|sixty|seventy|eighty|ninety"
_SCALES = "hundred|thousand|million|billion|trillion|dozen"
CARDINAL_WORDS = frozenset(f"{_ONES}|{_TEENS}|{_TENS}|{_SCALES}|zero".split("|"))
_CARDINAL = either(_ONES, _TEENS, _TENS, _SCALES, "zero")
# Possessive, as all that may be long is: what a number goes on to is read once.
CARDINAL = rf"{_CARDINAL}(?!\w)(?:(?:[ -]|,? and ){_CARDINAL}(?!\w)){{0,8}}+"

_LOW_ORDINALS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
_HIGH_ORDINALS = (
    "tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth"
    "|thirtieth|fortieth|fiftieth|sixtieth|seventieth|eightieth|ninetieth|hundredth|thousandth|millionth"
)
ORDINAL_WORDS = frozenset(f"{_LOW_ORDINALS}|{_HIGH_ORDINALS}".split("|"))
ORDINAL = rf"(?:{either(_TENS)}[ -])?{either(_LOW_ORDINALS, _HIGH_ORDINALS)}"
ORDINAL_DIGITS = r"\d{1,4}(?:st|nd|rd|th)"

SCALE = either(
    "hundred", "thousand", "million", "billion", "trillion", "mn", "bn", "m", "bn", "k", "tn"
)
SCALE_OF_MONEY = rf"(?:[ -]?{SCALE}|[bt])"
"""Behind an amount with its currency's sign one letter is enough: "$69B"."""
LONG_SCALE = either("hundred|thousand|million|billion|trillion|dozen")
# 1,234,567.89 or 1234.5; never more digits than a number that is read as one.
DIGITS = r"(?>\d{1,3}(?:,\d{3}(?!\d)){1,6}+|\d{1,15}+)(?:\.\d{1,9}+)?"

# The calendar.
MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
SHORT_MONTHS = "jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
MONTH = rf"(?:{either(MONTHS)}|{either(SHORT_MONTHS)}\b(?:\.(?=,? ?[\d'a-z]))?)"
WEEKDAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_SHORT_WEEKDAYS = "mon|tues|tue|wed|thurs|thur|thu|fri|sat|sun"
WEEKDAY = rf"{either(WEEKDAYS)}s?"
SHORT_WEEKDAY = rf"{either(_SHORT_WEEKDAYS)}\b(?:\.(?=,? ?[\da-z]))?"
SEASONS = "spring|summer|autumn|fall|winter"
DAY_PARTS = "morning|afternoon|evening|night|noon|lunchtime|midday|dawn|dusk"
DAY = r"(?:3[01]|[12]\d|0?[1-9])"
DAY_ORDINAL = rf"(?:{DAY}(?:st|nd|rd|th)|(?:twenty[ -]|thirty[ -])?{either(_LOW_ORDINALS)}|{either(_HIGH_ORDINALS)})"
YEAR = r"(?:1\d{3}|20\d{2})"

TIME_UNITS = (
    "seconds|second|secs|sec|minutes|minute|mins|min|hours|hour|hrs|hr|days|day|nights|night|weeks|week|fortnights"
    "|fortnight|months|month|quarters|quarter|semesters|semester|years|year|yrs|yr|decades|decade|centuries|century"
    "|millennia|millennium|weekends|weekend|milliseconds|millisecond|ms"
)
PERIOD = either(TIME_UNITS)

_MEASURES = (
    "kilometers|kilometer|kilometres|kilometre|kms|km|meters|meter|metres|metre|centimeters|centimeter|centimetres"
    "|centimetre|cm|millimeters|millimeter|millimetres|millimetre|mm|miles|mile|mi|yards|yard|yds|yd|feet|foot|ft"
    "|inches|inch|nautical miles|nautical mile|light years|light-years|furlongs|leagues"
    "|kilograms|kilogram|kilogrammes|kilos|kilo|kgs|kg|grams|gram|grammes|mg|milligrams|milligram|µg|mcg|pounds|pound"
    "|lbs|lb|ounces|ounce|oz|tons|ton|tonnes|tonne|stone"
    "|liters|liter|litres|litre|milliliters|milliliter|millilitres|ml|cl|gallons|gallon|pints|pint|quarts|quart|cups"
    "|cup|teaspoons|teaspoon|tablespoons|tablespoon|tbsp|tsp|barrels|barrel|bushels"
    "|acres|acre|hectares|hectare|ha|square feet|square foot|square miles|square mile|square meters|square metres"
    "|square kilometers|square kilometres|sq ft|sq\\. ft\\.|sq mi|sq km|km2|km²|m2|m²|m3|m³|ft2|ft²|cubic meters|cubic"
    " metres|cubic feet|cubic foot"
    "|bytes|byte|bits|bit|kilobytes|kilobyte|megabytes|megabyte|gigabytes|gigabyte|terabytes|terabyte|petabytes|kb|mb"
    "|gb|tb|pb|kib|mib|gib|tib|kbps|mbps|gbps|megabits|gigabits|pixels|pixel|px|megapixels|megapixel|mp|dpi|fps|rpm"
    "|hz|khz|mhz|ghz|watts|watt|kilowatts|kilowatt|kw|kwh|megawatts|mw|gw|gigawatts|volts|volt|amps|amp|mah|joules"
    "|joule|calories|calorie|kcal|cal|horsepower|hp|bhp|db|decibels|psi|pascals|newtons"
    "|mph|kph|km/h|kmh|m/s|knots|knot|miles per hour|kilometers per hour|kilometres per hour"
    "|degrees celsius|degrees fahrenheit|degrees|degree|°c|°f|° c|° f|°|kelvin|celsius|fahrenheit"
)
_PERCENT = "percentage points|percent|per cent|pct|basis points|bps"
_MONEY = (
    "us dollars|u\\.s\\. dollars|american dollars|canadian dollars|australian dollars|dollars|dollar|cents|cent|euros"
    "|euro|pounds sterling|sterling|pence|quid|bucks|buck|yen|yuan|renminbi|rupees|rupee|rubles|roubles|pesos"
    "|peso|francs|franc|marks|kroner|krone|kronor|krona|lira|lire|dinars|dirhams|shekels|reais|zloty"
    "|bitcoins|bitcoin|btc|eth|shillings|shilling|guineas|usd|eur|gbp|jpy|cny|inr|chf|cad|aud|nzd|sek|nok|dkk|brl"
    "|mxn|zar|krw|hkd|sgd"
)
# Read after a number, where no letter or digit follows.
UNIT = rf"(?:{either(TIME_UNITS, _MEASURES, _PERCENT, _MONEY)}(?![\w²³])|%|°)"
CODE = either(
    "us",
    "usd",
    "eur",
    "gbp",
    "jpy",
    "cny",
    "inr",
    "chf",
    "cad",
    "aud",
    "ca",
    "au",
    "nz",
    "hk",
    "sgd",
)
SIGN = rf"(?:(?:{either('us', 'ca', 'au', 'nz', 'hk', 'c', 'a', 'r', 's')})?[$£€¥₹₩₽₪฿₿₺₴₫]|(?:usd|eur|gbp|jpy|cny|inr|chf|cad|aud|rs\.?) ?(?=\d))"
