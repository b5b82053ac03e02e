"""Made-up texts with personal data of every kind: names of many cultures, addresses of many shapes.

No data set is read here except lists of given names. Each text is a frame whose fields are drawn, so the
place of each field is known. Frames, lists and shapes were written for this project.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Sequence

from ..spans import Span


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


GIVEN = _words(
    "Wei Zhang Li Na Mei Haruto Yuki Sakura Kenji Min-jun Ji-woo Seo-yeon Linh Nguyen Thuy Arjun Priya"
    " Ananya Rahul Lakshmi Fatima Mohammed Ahmed Aisha Omar Layla Yusuf Zeynep Mehmet Emre Amara Chidi"
    " Ngozi Kwame Abena Thandiwe Sipho Zanele José María Luis Sofía Mateo Camila João Beatriz Thiago"
    " Jürgen Anke Uwe Søren Bjørn Åsa Łukasz Zofia Jiří Zdeněk Ioana Andrei Olga Dmitri Svetlana Ivan"
    " Giulia Matteo Chiara Pierre Élodie Théo Siobhán Niamh Seán Gwen Angus Noa Avi Miriam Levi Tāne"
    " Keanu Ayelet Nils Eero Aino Katalin László Elif Dragan Milica Nikos Eleni Tuan Somchai Putri Budi"
)
SURNAMES = (
    *_phrases("van Dijk|de Vries|Van der Berg|De Luca|Le Roux|St. Clair|Bin Rashid"),
    *_words(
        "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Wilson Anderson Taylor"
        " Moore Jackson Thompson White Harris Clark Lewis Robinson Walker Young King Wright Scott Green Baker"
        " Adams Nelson Carter Mitchell Roberts Turner Phillips Campbell Parker Evans Edwards Collins Stewart"
        " Wang Chen Liu Yang Huang Zhao Wu Zhou Sato Suzuki Takahashi Tanaka Watanabe Kim Park Choi Jung"
        " Nguyễn Tran Pham Singh Patel Sharma Kumar Reddy Iyer Khan Hussain Al-Farsi Haddad Nasser Yılmaz Demir"
        " Okafor Adeyemi Mensah Boateng Dlamini Nkosi Mbeki Hernández López Pérez Gómez Silva Santos Oliveira"
        " Ferreira Müller Schmidt Schneider Fischer Weber Becker Hoffmann Hansen Nielsen Johansson Lindqvist"
        " Virtanen Korhonen Kowalski Wiśniewska Nowak Novák Dvořáková Horvat Nagy Szabó Popescu Ionescu Ivanova"
        " Petrov Kuznetsov Sokolova Rossi Bianchi Esposito Dubois Lefèvre Moreau O'Brien O'Sullivan Murphy"
        " MacDonald McCarthy Janssens Papadopoulos Cohen Friedman Goldberg Kealoha Vega"
    ),
)
STREETS = _words(
    "Main Oak Maple Cedar Elm Park Washington Lake Hill Church Mill High Station Victoria Queen Bridge"
    " Spring Chestnut Highland Sunset Jefferson Riverside Linden Birch Franklin Juniper Harbor Meadow"
    " Canterbury Ashford Kingsway Fairview Magnolia Willow Prospect Orchard Liberty Union Pleasant"
)
WAYS = _words(
    "Street St St. Avenue Ave Ave. Road Rd Rd. Boulevard Blvd Lane Ln Drive Dr Court Ct Place Way Terrace"
    " Crescent Close Parkway Highway Square Row"
)
ABROAD = _phrases(
    "{w}straße {n}|{w}strasse {n}|{w}weg {n}|{w}allee {n}|{w}gasse {n}|rue de {w} {n}|{n} rue {w}|"
    "{n}, avenue de {w}|Via {w} {n}|Calle {w} {n}|Calle de {w}, {n}|Avenida {w} {n}|Rua {w} {n}|"
    "Plaza {w} {n}|{w}gatan {n}|{w}vägen {n}|{w}vej {n}|{w}gade {n}|{w}veien {n}|{w}katu {n}|{w}tie {n}|"
    "ul. {w} {n}|ulica {w} {n}|{w} utca {n}.|{w} út {n}|{w}straat {n}|{w}laan {n}|{w} ulica {n}|"
    "Jalan {w} {n}|{w} Marg {n}|{n}-chome {w}|{w} caddesi No. {n}|{w} sokak {n}|{w}ova {n}"
)
STEMS = _words(
    "Haupt Bahnhof Linden Garten Rosen Kirch Schul Berg Wald Mozart Goethe Verdi Garibaldi Roma Mayor"
    " Bolívar Cervantes Miguel Flores Liberdade Kungs Drottning Storgat Nørre Vester Møller Kirke Sol"
    " Puisto Koulu Mäki Rynek Polna Kossuth Petőfi Rákóczi Kerk Dorp Molen Nehru Gandhi Sudirman Atatürk"
    " Victor Hugo Pasteur République Castelo Prešeren Slovan Jirásk Husov"
)
CITIES = _phrases(
    "Springfield|Portland|Austin|Denver|Chicago|Boston|Seattle|New York|San Diego|Los Angeles|Houston|"
    "London|Manchester|Leeds|Bristol|Glasgow|Cardiff|Dublin|Cork|Toronto|Vancouver|Montréal|Sydney|"
    "Melbourne|Perth|Auckland|Wellington|Cape Town|Lagos|Nairobi|Accra|Cairo|Mumbai|Bengaluru|Delhi|"
    "Chennai|Karachi|Dhaka|Bangkok|Hanoi|Jakarta|Manila|Singapore|Tokyo|Osaka|Seoul|Beijing|Shanghai|"
    "Berlin|Hamburg|München|Köln|Wien|Zürich|Paris|Lyon|Marseille|Madrid|Sevilla|Lisboa|Porto|Roma|"
    "Milano|Napoli|Athens|Istanbul|Ankara|Warszawa|Kraków|Praha|Brno|Budapest|Szeged|Bucharest|Sofia|"
    "Zagreb|Ljubljana|Oslo|Bergen|Stockholm|Göteborg|Malmö|København|Aarhus|Helsinki|Tampere|Reykjavík|"
    "Amsterdam|Utrecht|Antwerpen|Mexico City|Bogotá|Lima|Santiago|Buenos Aires|São Paulo|Recife"
)
COUNTRIES = _phrases(
    "USA|United States|United Kingdom|UK|Ireland|Canada|Australia|New Zealand|South Africa|Nigeria|Kenya|"
    "India|Pakistan|Thailand|Vietnam|Indonesia|Japan|South Korea|China|Germany|Austria|Switzerland|"
    "France|Spain|Portugal|Italy|Greece|Turkey|Poland|Czech Republic|Hungary|Romania|Croatia|Norway|"
    "Sweden|Denmark|Finland|Iceland|Netherlands|Belgium|Mexico|Colombia|Peru|Chile|Brazil|Tunisia|Egypt"
)
STATES = _words(
    "AL AK AZ CA CO CT FL GA IL IN KS LA MA MD MI MN NC NJ NV NY OH OR PA TX UT VA WA WI"
)
NATIONS = _words(
    "American British Irish Canadian Australian Nigerian Kenyan Indian Thai Vietnamese Japanese Korean"
    " Chinese German Austrian Swiss French Spanish Portuguese Italian Greek Turkish Polish Czech Hungarian"
    " Romanian Croatian Norwegian Swedish Danish Finnish Dutch Belgian Mexican Peruvian Brazilian Jewish"
    " Catholic Muslim Hindu Buddhist Democrat Republican"
)
FIRMS = _words(
    "Northwind Bluepeak Redwood Ironclad Summit Harborview Evergreen Quantum Lattice Brightside Pinnacle"
    " Cobalt Silverline Meridian Horizon Atlas Vertex Nimbus Cascade Keystone Orchid Falcon Granite Tidal"
    " Hexagon Zenith Clearwater Stonebridge Fernwood Copperfield Datawise Medivance Agrinova Finlytics"
)
KINDS = _phrases(
    "Inc|Inc.|LLC|Ltd|Ltd.|PLC|GmbH|Group|Corp.|Corporation|Holdings|Partners|Systems|Solutions|Labs|Bank|"
    "Insurance|University|Hospital|Foundation|Logistics|Technologies|Consulting|and Sons|Capital"
)
TITLES = _words("Mr. Mrs. Ms. Miss Dr. Prof. Mr Mrs Ms Dr Sir Dame")
JOBS = _phrases(
    "software engineer|registered nurse|chief financial officer|accountant|school teacher|sales manager|"
    "civil engineer|data analyst|electrician|marketing director|legal assistant|HR manager|pharmacist|"
    "dental hygienist|truck driver|graphic designer|office administrator|bank teller|police officer"
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
FRAMES = _phrases(
    "Hi, this is {PERSON} calling about my order.|Dear {TITLE} {PERSON}, thank you for your letter.|"
    "{PERSON} has been working for {ORGANIZATION} since {DATE_TIME}.|Regards, {PERSON}|Best, {PERSON}\n"
    "{ORGANIZATION}|Please send the parcel to {PERSON}, {STREET_ADDRESS}.|Ship to: {STREET_ADDRESS}|"
    "We are moving to {GPE} next month.|I was born in {GPE} but I grew up in {GPE}.|"
    "He used to live at {STREET_ADDRESS} before he moved to {GPE}.|The meeting is at {STREET_ADDRESS}, "
    "{GPE} on {DATE_TIME}.|Name: {PERSON}\nDOB: {DATE_TIME}\nSSN: {US_SSN}|Passenger: {PERSON}, age {AGE}|"
    "{PERSON}, {AGE}, of {GPE} was last seen on {DATE_TIME}.|She is {AGE} years old.|I just turned {AGE}.|"
    "My daughter {PERSON} is {AGE} and my son {PERSON} is {AGE}.|The {AGE}-year-old was taken to "
    "{ORGANIZATION}.|You can reach me at {PHONE_NUMBER} or {EMAIL_ADDRESS}.|Call {PHONE_NUMBER} and ask "
    "for {PERSON}.|Tel.: {PHONE_NUMBER}|Fax {PHONE_NUMBER}|My phone number is {PHONE_NUMBER}|Email "
    "{EMAIL_ADDRESS} with questions.|Visit {DOMAIN_NAME} for details|Our website is {DOMAIN_NAME}|The "
    "server at {IP_ADDRESS} does not answer.|Login from {IP_ADDRESS} by {EMAIL_ADDRESS}|My card number "
    "is {CREDIT_CARD}, expiring soon.|Card {CREDIT_CARD} was declined|Charge it to {CREDIT_CARD} please|"
    "Send the money to IBAN {IBAN_CODE}|Account: {IBAN_CODE}|My SSN is {US_SSN}.|Social security "
    "{US_SSN}|Driver's license: {US_DRIVER_LICENSE}|My driving licence number is {US_DRIVER_LICENSE}.|"
    "ZIP: {ZIP_CODE}|I live in {GPE}, {ZIP_CODE}|Postal code {ZIP_CODE}|{TITLE} {PERSON} will see you "
    "at {DATE_TIME}.|{PERSON} is a {NRP} {TITLE:job} who lives in {GPE}.|I love {NRP} food.|The {NRP} "
    "ambassador met {PERSON} on {DATE_TIME}.|Is {PERSON} there?|Ask {PERSON} about it, not me.|Thanks "
    "{PERSON}!|{PERSON}: I don't think so.|Did you talk to {PERSON} about the invoice?|{PERSON} and "
    "{PERSON} got married in {GPE} in {DATE_TIME}.|This agreement is between {ORGANIZATION} and "
    "{ORGANIZATION}.|{ORGANIZATION} announced its results on {DATE_TIME}.|{ORGANIZATION} opened an "
    "office in {GPE}.|I work at {ORGANIZATION} as a {TITLE:job}.|{PERSON}\n{TITLE:job}\n{ORGANIZATION}\n"
    "{STREET_ADDRESS}\n{GPE}, {ZIP_CODE}\n{PHONE_NUMBER}|{PERSON}\n{STREET_ADDRESS}\n{GPE}\n{GPE:country}|"
    "To:\n{PERSON}\n{STREET_ADDRESS}\n{GPE} {ZIP_CODE}\n{GPE:country}|From {GPE} to {GPE} by train|"
    "Patient {PERSON} ({AGE} y/o) was admitted on {DATE_TIME} by {TITLE} {PERSON}.|Sent on {DATE_TIME}|"
    "Date: {DATE_TIME}|Can I return the shoes I bought?|My password does not work any more.|How much is "
    "the monthly fee for this plan?|The weather has been awful all week.|I want to speak to a manager!|"
    "What are the opening hours of the shop?|The Second Amendment does not say so.|Our Terms of Service "
    "have changed.|Please find the report attached.|Where is my refund? I have waited for weeks.|Deliver "
    "to {STREET_ADDRESS}, {GPE}, {GPE:country}|Turn left onto {STREET_ADDRESS:street}.|The accident "
    "happened at the corner of {STREET_ADDRESS:street} and {STREET_ADDRESS:street}.|My address is "
    "{STREET_ADDRESS:full}|Billing address: {STREET_ADDRESS:full}|Our shop is at {STREET_ADDRESS:full}."
    "|Change my address from {STREET_ADDRESS:full} to {STREET_ADDRESS:full}, please.|Hello {PERSON:given},"
    " how was {GPE}?|{PERSON:given} said that {PERSON:given} would be late.|What a goal by "
    "{PERSON:family}!|{TITLE} {PERSON:family} of {ORGANIZATION} declined to comment.|An open letter to "
    "{PERSON:family}|The {PERSON:family} case goes back to {DATE_TIME}.|{GPE} is lovely in spring.|"
    "Flights to {GPE:country} are cheap.|The government of {GPE:country} resigned.|She studied at the "
    "University of {GPE}."
)
STORIES = _phrases(
    "{PERSON}'s new album is out now.|Have you seen the film with {PERSON} and {PERSON}?|The song was "
    "written by {PERSON} in {DATE_TIME}.|{PERSON} was elected mayor of {GPE} in {DATE_TIME}.|"
    "{ORGANIZATION} is a {NRP} company based in {GPE}.|{PERSON} joined {ORGANIZATION} as {TITLE:job} in "
    '{DATE_TIME}.|Who is {PERSON}?|{PERSON} (left) with {PERSON} at the ceremony in {GPE}.|"We are proud '
    'of it," said {PERSON}, the {TITLE:job} of {ORGANIZATION}.|My neighbour {PERSON:given} comes from '
    "{GPE:country}.|{PERSON:given}? I thought you were in {GPE}!|Police in {GPE} arrested {PERSON}, {AGE}.|"
    "{PERSON}\n{STREET_ADDRESS:full}\n{EMAIL_ADDRESS}\n{PHONE_NUMBER}|The award went to {TITLE} {PERSON} of "
    "{ORGANIZATION} this year.|{PERSON} and the band played in {GPE} last night.|My great aunt {PERSON} was "
    'born in {GPE} in {DATE_TIME}.|{PERSON:given} asked: "Where is {PERSON:given}?"|He paid {PERSON:given} '
    "for the ticket to {GPE}.|{GPE} and {GPE} signed the treaty on {DATE_TIME}.|Nobody in {GPE} believes "
    "{TITLE} {PERSON:family}.|The {NRP} team lost to {GPE:country} again.|{ORGANIZATION} sued "
    "{ORGANIZATION} over the patent.|A spokesman for {ORGANIZATION} in {GPE} confirmed it.|{ORGANIZATION} "
    "hired {PERSON} away from {ORGANIZATION}.|{PERSON:family}'s later work is better than {PERSON:family}'s."
    "|Reply to {PERSON} <{EMAIL_ADDRESS}>|Name\t{PERSON}\nCity\t{GPE}\nPhone\t{PHONE_NUMBER}|name: {PERSON}; "
    "age: {AGE}; city: {GPE}|{PERSON},{GPE},{ZIP_CODE},{PHONE_NUMBER}|She lives in {GPE} with her husband "
    "{PERSON:given} and two cats.|I am {PERSON}, a {AGE} year old {TITLE:job} from {GPE}.|Happy birthday "
    "{PERSON:given}, {AGE} already!|The patient, a {AGE}-year-old {TITLE:job}, complained of a cough.|Meet me "
    "at {STREET_ADDRESS} at {DATE_TIME}|The house at {STREET_ADDRESS} burnt down on {DATE_TIME}.|Is "
    "{STREET_ADDRESS} far from {GPE}?|We deliver to {GPE}, {GPE} and {GPE}.|{TITLE} {PERSON}\n{ORGANIZATION}\n"
    "{STREET_ADDRESS}\n{ZIP_CODE} {GPE}\n{GPE:country}|The board of {ORGANIZATION} met in {GPE} on "
    "{DATE_TIME}.|I'd recommend the Great Hall and the Old Bridge to everybody.|Chapter Two is about "
    "Patience and Courage.|The Queen opened Parliament yesterday.|Sign up for our Summer Sale newsletter!|"
    "The Board of Directors will vote on the Annual Report.|Please read the User Guide before you Start."
)
_FIELD = re.compile(r"\{([A-Z_]+)(?::([a-z]+))?\}")


class Drawer:
    """Draws fields by chance; `names` are given names besides those of this module."""

    def __init__(self, chance: random.Random, names: Sequence[str]) -> None:
        self.chance = chance
        self.names = names

    def text(self) -> tuple[str, tuple[Span, ...]]:
        """A frame with its fields filled in, now and then all in small or in capital letters."""
        frame = self.chance.choice((*FRAMES, *STORIES))
        text = ""
        spans: list[Span] = []
        at = 0
        for found in _FIELD.finditer(frame):
            text += frame[at : found.start()]
            at = found.end()
            value = self.field(found[1], found[2] or "")
            spans.append(Span(len(text), len(text) + len(value), found[1]))
            text += value
        text += frame[at:]
        case = self.chance.random()
        if case < 0.15 and len(text.lower()) == len(text):
            text = text.lower()
        elif case < 0.2 and len(text.upper()) == len(text):
            text = text.upper()
        return text, tuple(spans)

    def field(self, kind: str, form: str) -> str:
        """A value of a kind."""
        made: dict[str, Callable[[str], str]] = {
            "PERSON": self.person,
            "STREET_ADDRESS": self.address,
            "GPE": lambda form: self.chance.choice(
                COUNTRIES if form or self.chance.random() < 0.3 else CITIES
            ),
            "ORGANIZATION": self.firm,
            "TITLE": lambda form: self.chance.choice(JOBS if form else TITLES),
            "NRP": lambda _: self.chance.choice(NATIONS),
            "AGE": lambda _: str(self.chance.randint(1, 99)),
            "DATE_TIME": self.date,
        }
        return made[kind](form) if kind in made else self.chance.choice(CODES[kind])(self)

    def digits(self, pattern: str) -> str:
        """The pattern with # drawn from digits, and A from letters."""
        drawn = (
            str(self.chance.randint(0, 9))
            if each == "#"
            else self.chance.choice(string.ascii_uppercase)
            if each == "A"
            else each
            for each in pattern
        )
        return "".join(drawn)

    def person(self, form: str) -> str:
        """A name of one to three words."""
        given = self.chance.choice(GIVEN if self.chance.random() < 0.4 else self.names)
        family = self.chance.choice(SURNAMES)
        if form:
            return given if form == "given" else family
        chance = self.chance.random()
        if chance < 0.15:
            return given
        if chance < 0.25:
            return f"{given} {self.chance.choice(string.ascii_uppercase)}. {family}"
        if chance < 0.32:
            return f"{given} {family}-{self.chance.choice(SURNAMES)}"
        if chance < 0.37:
            return f"{given[0]}. {family}"
        return f"{given} {family}"

    def street(self) -> str:
        """A street without a number."""
        if self.chance.random() < 0.2:
            return f"{self.chance.randint(1, 140)}th {self.chance.choice(WAYS)}"
        first = self.chance.choice(STREETS if self.chance.random() < 0.6 else SURNAMES)
        return f"{first} {self.chance.choice(WAYS)}"

    def address(self, form: str) -> str:
        """A street with a number, a box, a military address; `full`: with town and code."""
        if form == "street":
            return self.street()
        number = self.chance.choice(
            (str(self.chance.randint(1, 9999)), self.digits("#####"), "12B")
        )
        kind = self.chance.random()
        if kind < 0.45:
            line = f"{number} {self.street()}"
        elif kind < 0.85:
            line = self.chance.choice(ABROAD).format(
                w=self.chance.choice(STEMS), n=self.chance.randint(1, 299)
            )
        elif kind < 0.93:
            line = f"{self.chance.choice(('P.O. Box', 'PO Box', 'Postfach', 'Box'))} {self.digits('####')}"
        else:
            return self.digits(
                self.chance.choice(
                    ("PSC ####, Box ####\nAPO AP #####", "Unit #### Box ####\nFPO AE #####")
                )
            )
        if self.chance.random() < 0.3:
            flat = self.chance.choice(
                ("Apt. ###", "Apt #A", "Suite ###", "Unit ##", "Flat #", "#. OG")
            )
            line += self.chance.choice((", ", " ", "\n")) + self.digits(flat)
        return line if form != "full" else line + self._town()

    def _town(self) -> str:
        between = self.chance.choice((", ", "\n", " "))
        city = self.chance.choice(CITIES)
        shapes = (
            f"{city}, {self.chance.choice(STATES)} {self.digits('#####')}",
            f"{self.digits('#####')} {city}",
            f"{city} {self.digits('AA# #AA')}",
            f"{city}, {self.chance.choice(COUNTRIES)}",
            f"{city}{between}{self.chance.choice(COUNTRIES)} {self.digits('#####')}",
        )
        return between + self.chance.choice(shapes)

    def firm(self, _: str) -> str:
        """A firm's name."""
        chance = self.chance.random()
        names = [self.chance.choice(SURNAMES) for _ in range(3)]
        if chance < 0.2:
            return f"{names[0]}, {names[1]} and {names[2]}"
        if chance < 0.3:
            return f"{names[0]}-{names[1]}"
        first = self.chance.choice(FIRMS if chance < 0.85 else names)
        return first if chance < 0.5 else f"{first} {self.chance.choice(KINDS)}"

    def date(self, _: str) -> str:
        """A date, a time, a year or a day of the week, in many ways of writing."""
        day, month, year = (
            self.chance.randint(1, 28),
            self.chance.randint(1, 12),
            self.chance.randint(1930, 2029),
        )
        name = MONTHS[month - 1]
        clock = f"{self.chance.randint(0, 23):02}:{self.chance.randint(0, 59):02}"
        ways = (
            f"{month}/{day}/{year}",
            f"{day:02}.{month:02}.{year}",
            f"{year}-{month:02}-{day:02}",
            f"{year}-{month:02}-{day:02} {clock}:00",
            f"{name} {day}, {year}",
            f"{day} {name} {year}",
            f"{name[:3]} {day}",
            f"{name} {year}",
            str(year),
            self.chance.choice(DAYS),
            f"{clock} on {self.chance.choice(DAYS)}",
        )
        return self.chance.choice(ways)


def _code(*patterns: str) -> tuple[Callable[[Drawer], str], ...]:
    return tuple(lambda drawer, kept=pattern: drawer.digits(kept) for pattern in patterns)


def _email(drawer: Drawer) -> str:
    name = drawer.chance.choice(drawer.names).lower()
    return f"{name}{drawer.digits('##')}@{drawer.chance.choice(FIRMS).lower()}.{drawer.chance.choice(('com', 'org', 'net', 'de'))}"


def _site(drawer: Drawer) -> str:
    begin = drawer.chance.choice(("https://www.", "http://", "www.", "https://"))
    return f"{begin}{drawer.chance.choice(FIRMS)}{drawer.chance.choice(FIRMS)}.{drawer.chance.choice(('com', 'org', 'net', 'se'))}"


def _ip(drawer: Drawer) -> str:
    return ".".join(str(drawer.chance.randint(1, 254)) for _ in range(4))


CODES: dict[str, tuple[Callable[[Drawer], str], ...]] = {
    "PHONE_NUMBER": _code(
        "###-###-####", "(###) ###-####", "+1-###-###-####", "### ### ####", "+44 20 #### ####",
        "0## #### ####", "## ## ## ## ##", "+49 ### #######", "####-####", "### ## ###", "(##) ### ###",
        "+#######", "0#### ######", "###.###.####", "### ####",
    ),
    "CREDIT_CARD": _code("4###############", "5### #### #### ####", "3## ###### #####", "6###-####-####-####"),
    "IBAN_CODE": _code("GB##AAAA##############", "DE####################", "FR##########A############"),
    "US_SSN": _code("###-##-####", "### ## ####"),
    "US_DRIVER_LICENSE": _code("A#######", "########", "A############", "AA######", "####-##-####"),
    "ZIP_CODE": _code("#####", "#####-####", "####", "AA# #AA", "## ###", "##-###"),
    "EMAIL_ADDRESS": (_email,),
    "DOMAIN_NAME": (_site,),
    "IP_ADDRESS": (_ip,),
}  # fmt: skip
"""What draws a code of a kind."""
