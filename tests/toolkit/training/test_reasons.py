"""The reason of a failure under a launcher: the script's own exception, of the process that began it."""

from __future__ import annotations

from sagebrush.toolkit.training import reasons

TRACE = "Traceback (most recent call last):"
TORCHRUN = f"""\
E1125 06:11:42.299000 27200 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 1)
{TRACE}
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "lib/torch/distributed/run.py", line 1028, in main
    run(args)
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
  <NO_OTHER_FAILURES>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  rank      : 2 (local_rank: 0)
  exitcode  : {{code}} (pid: 27350)
  error_file: <N/A>
============================================================
"""
MPIRUN = """\
--------------------------------------------------------------------------
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
--------------------------------------------------------------------------
--------------------------------------------------------------------------
mpirun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[64988,1],3]
  Exit code:    7
--------------------------------------------------------------------------
"""


def ranks(tag: str, *lines: str) -> str:
    return "".join(f"{tag}{line}\n" for line in lines)


def test_one_process_under_torchrun() -> None:
    own = ranks(
        "", "some warning", TRACE, '  File "train.py", line 3', "ValueError: no", "of two lines"
    )
    found = reasons.launched(own + TORCHRUN.format(code=1))
    assert found == reasons.Reason("ValueError: no\nof two lines", 1)
    assert not found.echo


def test_the_process_that_began_it_is_told_of() -> None:
    gone = "RuntimeError: [pair.cc:553] Connection closed by peer [10.88.0.2]:30382. GLHF!"
    said = (
        ranks("[rank0]: ", TRACE, '  File "train.py", line 9', gone)
        + ranks("[rank1]: ", TRACE, '  File "a.py"', "KeyError: 1", "", "During handling of")
        + ranks("[rank1]: ", TRACE, '  File "train.py", line 3', "ValueError: no")
        + TORCHRUN.format(code=1)
    )
    assert reasons.launched(said).text == "ValueError: no"
    only = reasons.launched(ranks("[rank0]: ", TRACE, "  File x", gone) + TORCHRUN.format(code=1))
    assert only.text == gone
    assert only.echo


def test_an_exit_or_a_signal_without_a_traceback() -> None:
    assert reasons.launched(TORCHRUN.format(code=3)) == reasons.Reason("", 3)
    killed = reasons.launched(TORCHRUN.format(code=-9))
    assert killed == reasons.Reason("a process of the script was ended by signal 9", -9)
    assert reasons.launched("error: no such option\n" + TORCHRUN.format(code=2)).text == (
        "error: no such option"
    )


def test_a_rank_of_mpirun() -> None:
    own = ranks("[1,3]<stderr>:", TRACE, '  File "train.py"', "ValueError: rank three says no")
    assert reasons.launched(own + MPIRUN) == reasons.Reason("ValueError: rank three says no", 7)
    assert reasons.launched(MPIRUN) == reasons.Reason("", 7)
    noticed = "mpirun noticed that process rank 3 on node algo-2 exited on signal 9 (Killed)."
    assert reasons.launched(MPIRUN.partition("mpirun det")[0] + noticed).text == noticed


def test_pieces_of_ranks_that_share_a_line_are_put_together() -> None:
    said = (
        "[1,0]<stderr>:Traceback (most recent[1,1]<stderr>:half a\n"
        "[1,0]<stderr>: call last):\n"
        '[1,0]<stderr>:  File "train.py"\n'
        "[1,1]<stderr>: line\n"
        "[1,0]<stderr>:ValueError[1,0]<stderr>:: [1,0]<stderr>:no[1,0]<stderr>:\n"
    )
    assert reasons.launched(said + MPIRUN).text == "ValueError: no"


def test_without_a_launcher_the_last_traceback_counts() -> None:
    said = ranks("", TRACE, "  File a", "KeyError: 1", "go on")
    last = ranks("[rank0]: ", TRACE, "  File b", "ValueError: two")
    assert reasons.last_error(said + last) == "ValueError: two"
    assert reasons.last_error("one\ntwo\n") == "one\ntwo"
