"""Keys and sessions: stateless, bounded in time, and nobody else's."""

from __future__ import annotations

import base64
import json
import stat
import zlib
from dataclasses import replace

import pytest

from sagebrush.credentials import (
    CredentialBook,
    RoleSession,
    UserSession,
    role_id,
    user_name,
)
from sagebrush.errors import AwsError

ROLE = "arn:aws:iam::123456789012:role/path/Reader"
ME = RoleSession(ROLE, "AROAREADERREADERREADE", "me")


@pytest.fixture
def book(tmp_path, clock):
    return CredentialBook(tmp_path / "keys", "123456789012", "Execution", clock)


def refusal(book, key, token) -> str:
    with pytest.raises(AwsError) as info:
        book.resolve(key, token)
    assert info.value.status == 403
    return info.value.code


def test_files_are_private_and_last(tmp_path, book, clock):
    keys = tmp_path / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in keys.iterdir()} == {0o600}
    again = CredentialBook(keys, "123456789012", "Execution", clock)
    assert again.user_key == book.user_key
    session = book.issue(ME, 900)
    assert again.resolve(session.access_key, session.token).secret == session.secret


def test_user_key_speaks_for_the_execution_role(book):
    key, secret = book.user_key
    found = book.resolve(key, None)
    assert found.secret == secret
    assert found.expires is None
    assert found.caller.arn == f"arn:aws:sts::123456789012:assumed-role/Execution/{user_name()}"
    assert found.caller.user_id == f"{role_id('123456789012', 'Execution')}:{user_name()}"
    assert refusal(book, key, "token") == "InvalidClientTokenId"


def test_session(book, clock):
    session = book.issue(ME, 900)
    found = book.resolve(session.access_key, session.token)
    assert found.caller.arn == "arn:aws:sts::123456789012:assumed-role/Reader/me"
    assert found.caller.role == "Reader"
    assert found.caller.user_id == "AROAREADERREADERREADE:me"
    assert found.caller.account == "123456789012"
    clock.forward(899)
    assert book.resolve(session.access_key, session.token) == found
    clock.forward(1)
    assert refusal(book, session.access_key, session.token) == "ExpiredToken"


def test_a_session_carries_what_it_began_with(book, clock):
    limits = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]}
    begun = RoleSession(
        ROLE,
        "AROAREADERREADERREADE",
        "me",
        policies=(limits,),
        tags={"Team": "ml", "x": "ü"},
        transitive=("Team",),
        source_identity="ann",
    )
    session = book.issue(begun, 900)
    found = book.resolve(session.access_key, session.token).caller
    assert found.session == replace(begun, issued=clock())
    assert found.policies == (limits,)


def test_whose_key_it_is(book):
    assert book.owns(book.user_caller)
    session = book.issue(ME, 900)
    assert not book.owns(book.resolve(session.access_key, session.token).caller)
    assert not book.owns(replace(book.user_caller, access_key=""))


def test_sessions_differ(book):
    one, two = book.issue(ME, 900), book.issue(ME, 900)
    assert one.access_key != two.access_key
    assert one.secret != two.secret
    assert refusal(book, one.access_key, two.token) == "InvalidClientTokenId"


@pytest.mark.parametrize("spoil", ["", "x", "ü", "A" * 200])
def test_foreign_tokens(book, spoil):
    session = book.issue(ME, 900)
    assert refusal(book, session.access_key, spoil) == "InvalidClientTokenId"
    assert refusal(book, session.access_key, session.token + spoil + "AA") == "InvalidClientTokenId"
    assert refusal(book, session.access_key, None) == "InvalidClientTokenId"


def test_every_changed_character_of_a_token_is_seen(book):
    session = book.issue(ME, 900)
    for place in range(0, len(session.token) - 1, 3):
        other = "A" if session.token[place] != "A" else "B"
        token = session.token[:place] + other + session.token[place + 1 :]
        assert refusal(book, session.access_key, token) == "InvalidClientTokenId"


def test_tokens_of_another_home_or_purpose(tmp_path, book, clock):
    other = CredentialBook(tmp_path / "other", "123456789012", "Execution", clock)
    session = other.issue(ME, 900)
    assert refusal(book, session.access_key, session.token) == "InvalidClientTokenId"
    token = book.container_token(ROLE)
    assert book.container_role(token) == ROLE
    for wrong in (session.token, book.issue(ME, 900).token, "", "x"):
        with pytest.raises(AwsError):
            book.container_role(wrong)


def test_container_document(book, clock):
    found = book.container_document(ME, 3600)
    assert found["Expiration"] == "2026-01-01T01:00:00Z"
    assert found["RoleArn"] == ROLE
    assert book.resolve(found["AccessKeyId"], found["Token"]).secret == found["SecretAccessKey"]


def test_secrets_do_not_show(book):
    session = book.issue(ME, 900)
    assert session.secret not in repr(session)
    assert session.token not in repr(session)
    assert session.secret not in repr(book.resolve(session.access_key, session.token))


def test_seals(book, tmp_path, clock):
    for body in (b"", b"\x00\xff", b"x" * 1000):
        text = book.seal(b"notebook", body)
        assert book.open_seal(b"notebook", text) == body
        again = CredentialBook(tmp_path / "keys", "123456789012", "Execution", clock)
        assert again.open_seal(b"notebook", text) == body
    other = CredentialBook(tmp_path / "other", "123456789012", "Execution", clock)
    for purpose, made in (
        (b"other", book.seal(b"notebook", b"x")),
        (b"notebook", other.seal(b"notebook", b"x")),
        (b"container", book.container_token(ROLE)),
        (b"notebook", "A" + book.seal(b"notebook", b"x")),
        (b"notebook", ""),
    ):
        with pytest.raises(AwsError):
            book.open_seal(purpose, made)
    with pytest.raises(AwsError):
        book.container_role(book.seal(b"container", b'["arn:aws:iam::1:role/r"]'))


def test_the_token_for_sagebrushs_own_pages_is_kept_and_the_owners(tmp_path, clock):
    from sagebrush import credentials
    from sagebrush.commands import running

    made = [
        CredentialBook(tmp_path / name, "123456789012", "Execution", clock)
        for name in ("a", "a", "b")
    ]
    tokens = [book.page_token for book in made]
    assert tokens[0] == tokens[1] != tokens[2]
    file = tmp_path / "a" / running.PAGE_TOKEN
    assert file.read_text() == tokens[0]
    assert file.stat().st_mode & 0o077 == 0
    assert running.PAGE_TOKEN == credentials.PAGE_TOKEN


def test_which_access_keys_are_known(tmp_path, book, clock):
    session = book.issue(ME, 900)
    other = CredentialBook(tmp_path / "others", "123456789012", "Execution", clock)
    assert book.account_of(session.access_key) == "123456789012"
    assert book.account_of(book.user_key[0]) == "123456789012"
    clock.now += 1000
    again = CredentialBook(tmp_path / "keys", "123456789012", "Execution", clock)
    assert again.account_of(session.access_key), "it has ended, and was ours"
    unknown = ("AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "ASIA", "", "ASIAü" + "A" * 15)
    for key in (*unknown, other.issue(ME, 900).access_key, other.user_key[0]):
        assert book.account_of(key) is None
    assert book.account_of("AKIA" + session.access_key.removeprefix("ASIA")) is None
    abroad = book.issue(RoleSession(ROLE.replace("123456789012", "2" * 12), "", "me"), 900)
    assert book.account_of(abroad.access_key) is None
    assert book.account_of(abroad.access_key, ["1" * 12, "2" * 12]) == "2" * 12


def test_a_token_of_an_earlier_version_has_expired(book, clock):
    """SDKs fetch new credentials then; it answered InternalFailure, which they repeat."""
    body = json.dumps(["ASIAX", ROLE, "me", clock() + 900, []]).encode()
    for text in (body, zlib.compress(body)):
        token = base64.urlsafe_b64encode(text + book._mac(b"token", text)).decode()
        assert refusal(book, "ASIAX", token) == "ExpiredToken"


def test_keys_of_users_are_looked_up_once_until_something_changes(tmp_path, clock):
    asked, there = [], {}

    def holder(access_key):
        asked.append(access_key)
        return there.get(access_key)

    book = CredentialBook(tmp_path / "keys", "123456789012", "Execution", clock, holder)
    key, secret = book.mint()
    assert (len(key), len(secret), key[:4]) == (20, 40, "AKIA")
    assert book.secret_of(key) == secret
    assert refusal(book, key, None) == "InvalidClientTokenId"
    there[key] = replace(book.user_caller, access_key=key, user="ann")
    for _ in range(3):
        found = book.resolve(key, None)
        assert (found.caller.user, found.secret, found.expires) == ("ann", secret, None)
    assert asked == [key, key], "once before it was there, once after"
    del there[key]
    book.forget()
    assert refusal(book, key, None) == "InvalidClientTokenId"
    asked.clear()
    other, _ = CredentialBook(tmp_path / "others", "123456789012", "Execution", clock).mint()
    for stranger in (other, "AKIAIOSFODNN7EXAMPLE", key[:-1], "", "AKIAü"):
        assert refusal(book, stranger, None) == "InvalidClientTokenId"
        assert refusal(book, stranger, "token") == "InvalidClientTokenId"
    assert not asked, "keys that were not made here cost no read"
    with pytest.raises(AwsError):
        book.secret_of(book.user_key[0])


def test_sessions_of_users_carry_whose_they_are(book):
    arn = "arn:aws:iam::222222222222:user/team/ann"
    own, lent = UserSession(arn, "AIDAANN"), UserSession(arn, "AIDAANN", "bob")
    callers = []
    for session in (own, lent):
        made = book.issue(session, 900)
        callers.append(book.resolve(made.access_key, made.token).caller)
    ann, bob = callers
    assert (ann.arn, ann.user_id, ann.account, ann.user, ann.federated) == (
        arn, "AIDAANN", "2" * 12, "ann", False,
    )  # fmt: skip
    assert (bob.arn, bob.user_id, bob.user, bob.federated) == (
        "arn:aws:sts::222222222222:federated-user/bob", "222222222222:bob", "ann", True,
    )  # fmt: skip
    assert ann.role is bob.role is None
