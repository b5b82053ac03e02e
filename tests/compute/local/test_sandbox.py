"""The plan as values, and what a job in the real sandbox can see and do."""

from __future__ import annotations

import json
import os
import tempfile
import textwrap
from pathlib import Path

import pytest

from sagebrush.compute.base import Bind, Limits, Spec
from sagebrush.compute.local import sandbox
from sagebrush.compute.local.sandbox import HostPaths
from tests.compute.live_jobs import Run

PYTHON = "/usr/bin/python3"
HOST = HostPaths(
    links={"/bin": "usr/bin"},
    directories=frozenset({"/usr", "/etc/ssl"}),
    files=frozenset({"/dev/null", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"}),
)


def spec(**given: object) -> Spec:
    values = {"key": "k", "argv": ["true"], "env": {}, "root": Path("/data/jobs/k"), **given}
    return Spec(**values)  # pyright: ignore[reportArgumentType]


def planned(**given: object) -> list[list[str]]:
    return sandbox.plan(spec(**given), HOST)


# -- the plan


def test_its_user_has_the_name_and_home_that_are_given() -> None:
    given = {"user": "ec2-user", "home": "/home/ec2-user", "shell": "/bin/bash"}
    files = {step[1]: step[2] for step in planned(**given) if step[0] == "file"}
    assert "ec2-user:x:{uid}:{gid}:ec2-user:/home/ec2-user:/bin/bash\n" in files["/etc/passwd"]
    assert "ec2-user:x:{gid}:\n" in files["/etc/group"]


def test_only_what_is_listed_is_bound() -> None:
    sources = [step[1] for step in planned() if step[0] == "bind"]
    assert sources == ["/usr", "/etc/ssl", "/data/jobs/k/ml", "/data/jobs/k/tmp"]


def test_links_of_the_root_stay_links() -> None:
    assert ["link", "usr/bin", "/bin"] in planned()


def test_only_the_jobs_own_directories_are_writable() -> None:
    given = (Bind(Path("/env"), "/env"), Bind(Path("/shared"), "/shared", read_only=False))
    writable = {step[2] for step in planned(binds=given) if step[0] == "bind" and step[3] == "rw"}
    assert writable == {"/opt/ml", "/tmp", "/shared"}


def test_outer_binds_come_before_inner_ones() -> None:
    binds = (Bind(Path("/b"), "/env/lib/inner"), Bind(Path("/a"), "/env"))
    targets = [step[2] for step in planned(binds=binds) if step[0] == "bind"]
    assert targets.index("/env") < targets.index("/env/lib/inner")


def test_the_platforms_data_is_covered_where_a_bind_would_show_it() -> None:
    binds = (Bind(Path("/home/me"), "/shown"),)
    hidden = (Path("/home/me/.local/share/sagebrush"), Path("/data"), Path("/usr/local/data"))
    steps = sandbox.plan(spec(binds=binds), HOST, hidden)
    covered = [step[1] for step in steps if step[0] == "cover"]
    assert covered == ["/shown/.local/share/sagebrush", "/usr/local/data"]


def test_gpus_are_given_by_number() -> None:
    devices = {s[1] for s in planned(limits=Limits(gpus=(1,))) if s[0] == "device"}
    assert devices == {"/dev/null", "/dev/nvidia1", "/dev/nvidiactl"}
    assert {s[1] for s in planned() if s[0] == "device"} == {"/dev/null"}


def test_the_home_and_program_of_aws_images_are_the_jobs_own() -> None:
    own = [step[1:] for step in planned() if step[0] == "own"]
    assert own == [["/tmp/.root", "/root"], ["/tmp/.program", "/opt/program"]]
    link = ["link", "/opt/conda", "/miniconda3"]
    assert link not in planned()
    assert link in planned(binds=(Bind(Path("/env"), "/opt/conda"),))


def test_the_user_has_the_name_that_aws_containers_have() -> None:
    files = {step[1]: step[2] for step in planned() if step[0] == "file"}
    first = files["/etc/passwd"].splitlines()[0]
    assert first == "root:x:{uid}:{gid}:root:/root:/bin/sh", "the first of a name counts"
    files = {step[1]: step[2] for step in planned(user="ec2-user") if step[0] == "file"}
    assert files["/etc/passwd"].startswith("ec2-user:x:{uid}:{gid}:")


def test_the_hosts_names_are_written() -> None:
    files = {step[1]: step[2] for step in planned(hostname="algo-2") if step[0] == "file"}
    assert "127.0.0.1 localhost algo-2 algo-1" in files["/etc/hosts"]
    assert files["/etc/hostname"] == "algo-2\n"


# -- the real thing


def python(text: str) -> list[str]:
    return [PYTHON, "-c", textwrap.dedent(text)]


def told(run: Run, text: str, **given: object) -> dict[str, object]:
    """What the program's last line says, as JSON."""
    done = run(python(text), **given)
    assert (done.code, done.reason) == (0, ""), done
    return json.loads(done.log.splitlines()[-1])


real = pytest.mark.sandbox


@real
def test_home_keys_and_other_jobs_are_absent(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="sagebrush-secret-") as secret:
        os.chmod(secret, 0o755)
        (Path(secret) / "key").write_text("secret")
        paths = [f"{secret}/key", str(Path.home()), str(Path(__file__)), "/etc/shadow", "/boot"]
        paths += ["/etc/ssh", "/var/log", "/root/.bashrc", "/sys/fs/cgroup", "/dev/sda", "/dev/vda"]
        answers = told(
            run,
            """
            import errno, json, os, sys
            def look(path):
                try: os.stat(path); return "there"
                except OSError as error: return errno.errorcode[error.errno]
            print(json.dumps({path: look(path) for path in sys.argv[1:]}))
            """.replace("sys.argv[1:]", repr([p for p in paths if p != "/root"])),
        )
    assert set(answers.values()) == {"ENOENT"}, answers


@real
def test_its_own_directories(run: Run) -> None:
    answers = told(
        run,
        """
        import errno, json, os
        def write(path):
            try:
                with open(path, "w") as file: file.write("x")
                return "ok"
            except OSError as error: return errno.errorcode[error.errno]
        names = ["/opt/ml/model", "/opt/ml/new", "/tmp/new", "/var/tmp/other", "/dev/shm/new",
                 "/opt/ml/input/data/train/a.txt", "/usr/new", "/etc/passwd",
                 "/new", "/opt/new", "/dev/new", "/proc/sys/kernel/hostname"]
        print(json.dumps({name: write(name) for name in names}))
        """,
        staged={"input/data/train/a.txt": "data", "output/x": ""},
    )
    good = {n for n, answer in answers.items() if answer == "ok"}
    own = {"/opt/ml/model", "/opt/ml/new", "/tmp/new", "/var/tmp/other", "/dev/shm/new"}
    assert good == own | {"/opt/ml/input/data/train/a.txt"}  # input is a copy, writable as on AWS


@real
def test_input_can_be_read(run: Run) -> None:
    done = run(
        ["/bin/cat", "/opt/ml/input/data/train/a.txt"], staged={"input/data/train/a.txt": "data"}
    )
    assert (done.code, done.log) == (0, "data")


@real
def test_it_has_no_rights(run: Run) -> None:
    answers = told(
        run,
        """
        import json, os
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        print(json.dumps({
            "uid": os.getuid(), "groups": os.getgroups(), "caps": status["CapEff"].strip(),
            "bound": status["CapBnd"].strip(), "nnp": status["NoNewPrivs"].strip(),
            "seccomp": status["Seccomp"].strip(), "fds": sorted(map(int, os.listdir("/proc/self/fd")))[:4],
        }))
        """,
    )
    assert answers["uid"] != 0
    assert answers["caps"] == answers["bound"] == "0" * 16
    assert (answers["nnp"], answers["seccomp"]) == ("1", "2")
    assert answers["fds"] in ([0, 1, 2, 3], [0, 1, 2])  # 3: the listing itself


@real
def test_it_sees_only_its_own_processes(run: Run) -> None:
    answers = told(
        run,
        """
        import json, os
        print(json.dumps({"pids": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()),
                          "own": os.getpid()}))
        """,
    )
    assert answers["pids"] == [1, answers["own"]]


@real
def test_its_first_process_is_closed_to_it(run: Run) -> None:
    answers = told(
        run,
        """
        import json, os
        def tries(path):
            try: open(path, "rb").read(1); return "ok"
            except OSError: return "no"
        os.kill(1, 9)
        print(json.dumps({p: tries(f"/proc/1/{p}") for p in ("mem", "environ", "maps", "root/etc")}))
        """,
    )
    assert answers["mem"] == answers["environ"] == answers["maps"] == "no"


@real
def test_calls_that_lead_out_are_refused(run: Run) -> None:
    answers = told(
        run,
        """
        import ctypes, errno, json, os, socket
        libc = ctypes.CDLL(None, use_errno=True)
        def call(name, *args):
            result = getattr(libc, name)(*args)
            return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]
        def vsock():
            try: socket.socket(40, socket.SOCK_STREAM); return "ok"
            except OSError as error: return errno.errorcode[error.errno]
        print(json.dumps({
            "mount": call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
            "umount": call("umount2", b"/opt/ml/input", 2),
            "userns": call("unshare", 0x10000000),
            "ptrace": call("ptrace", 16, 1, 0, 0),
            "setuid": call("setuid", 0),
            "vsock": vsock(),
        }))
        """,
    )
    assert answers == {
        "mount": "EPERM",
        "umount": "EPERM",
        "userns": "EPERM",
        "ptrace": "EPERM",
        "setuid": "EPERM" if answers["setuid"] == "EPERM" else "EINVAL",
        "vsock": "EAFNOSUPPORT",
    }


@real
def test_no_network_but_its_own(run: Run) -> None:
    answers = told(
        run,
        """
        import errno, json, socket
        def reach(host, port):
            try: socket.create_connection((host, port), 2).close(); return "ok"
            except OSError as error: return errno.errorcode.get(error.errno, str(error))
        names = [name for _, name in socket.if_nameindex()]
        print(json.dumps({"names": names, "outside": reach("1.1.1.1", 53),
                          "metadata": reach("169.254.169.254", 80), "aws": reach("127.0.0.1", 4566),
                          "credentials": reach("169.254.170.2", 80),
                          "six": reach("2606:4700:4700::1111", 53), "closed": reach("127.0.0.1", 9)}))
        """,
        listeners=["aws", "credentials"],
    )
    assert answers["names"] == ["lo"]
    assert answers["aws"] == answers["credentials"] == "ok"
    assert answers["outside"] == answers["metadata"] == answers["six"] == "ENETUNREACH"
    assert answers["closed"] == "ECONNREFUSED"


@real
def test_what_programs_need_works(run: Run) -> None:
    answers = told(
        run,
        """
        import getpass, json, multiprocessing, os, pwd, socket, subprocess, tempfile, threading
        from multiprocessing import shared_memory
        def square(n): return n * n
        shared = shared_memory.SharedMemory(create=True, size=1 << 20); shared.unlink()
        seen = []
        thread = threading.Thread(target=lambda: seen.append(1)); thread.start(); thread.join()
        with multiprocessing.get_context("fork").Pool(2) as pool: squares = pool.map(square, [2, 3])
        home = os.path.expanduser("~root/.cache/torch")  # as on AWS, root's; beside what is mounted there
        os.makedirs(home); open("/opt/program/train", "w").close()
        print(json.dumps({
            "squares": squares, "thread": seen, "user": getpass.getuser(),
            "home": [home, os.stat("/root").st_uid == os.getuid()],
            "root": pwd.getpwnam("root").pw_uid == os.getuid() != 0,
            "host": socket.gethostname(), "self": socket.gethostbyname("algo-1"),
            "shell": subprocess.check_output(["sh", "-c", "echo hi | cat"], text=True),
            "temporary": tempfile.gettempdir(), "pty": len(os.openpty()),
            "cpus": os.path.exists("/sys/devices/system/cpu/online"),
        }))
        """,
        binds=[["/usr/lib", "/root/.cache/shown", True]],
    )
    assert answers == {
        "squares": [4, 9],
        "thread": [1],
        "user": "root",
        "home": ["/root/.cache/torch", True],
        "root": True,
        "host": "algo-1",
        "self": "127.0.0.1",
        "shell": "hi\n",
        "temporary": "/tmp",
        "pty": 2,
        "cpus": True,
    }


@real
def test_a_fork_bomb_is_limited(run: Run) -> None:
    answers = told(
        run,
        """
        import errno, json, os, signal, time
        made, answer = 0, ""
        while made < 500:
            try: pid = os.fork()
            except OSError as error:
                answer = errno.errorcode[error.errno]; break
            if pid == 0: signal.pause(); os._exit(0)
            made += 1
        print(json.dumps({"made": made, "answer": answer}))
        """,
        limits={"pids": 64},
    )
    assert answers["answer"] == "EAGAIN"
    assert 30 <= int(str(answers["made"])) <= 64


@real
def test_a_memory_hog_is_told(run: Run) -> None:
    done = run(
        python("import time; held = bytearray(400 << 20); time.sleep(5)"),
        limits={"memory": 100 << 20},
    )
    assert (done.reason, done.code) == ("oom", -9)


@real
def test_a_hog_among_children_is_told(run: Run) -> None:
    done = run(
        python(
            """
            import os, sys, time
            pid = os.fork()
            if pid == 0:
                held = bytearray(400 << 20); time.sleep(5); os._exit(0)
            _, status = os.waitpid(pid, 0)
            sys.exit(3)
            """
        ),
        limits={"memory": 100 << 20},
    )
    assert done.reason == "oom"
    assert done.code != 0


@real
def test_binds_appear_read_only_at_their_targets(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="sagebrush-bind-") as shown:
        os.chmod(shown, 0o777)
        (Path(shown) / "file").write_text("seen")
        (Path(shown) / "file").chmod(0o644)
        done = run(
            ["/bin/sh", "-c", "cat /a/b/c/file /one; touch /a/b/c/new 2>/dev/null || echo refused"],
            binds=[[shown, "/a/b/c", True], [f"{shown}/file", "/one", True]],
        )
        assert done.log == "seenseenrefused"
        assert os.listdir(shown) == ["file"]


@real
def test_a_bind_beneath_the_hosts_tmp_is_seen_beside_the_jobs_own(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="sagebrush-bind-", dir="/tmp") as shown:
        os.chmod(shown, 0o755)
        (Path(shown) / "file").write_text("seen")
        (Path(shown) / "file").chmod(0o644)
        command = f"cat {shown}/file; echo own > /tmp/own && cat /tmp/own"
        assert run(["/bin/sh", "-c", command], binds=[[shown, shown, True]]).log == "seenown"


@real
def test_a_bind_that_is_not_there_names_itself(run: Run) -> None:
    done = run(["/bin/true"], binds=[["/no/such", "/there", True]])
    assert done.code == 125
    assert done.reason == "sandbox: bind /no/such: No such file or directory"


@real
def test_a_target_may_not_lead_through_a_link(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="sagebrush-bind-") as shown:
        os.chmod(shown, 0o777)
        os.symlink("/tmp", f"{shown}/link")
        binds = [[shown, "/shown", True], ["/usr", "/shown/link/usr", True]]
        done = run(["/bin/true"], binds=binds)
    assert "leads through a link" in done.reason or "Too many levels" in done.reason


@real
def test_the_platforms_data_is_absent_although_a_bind_shows_its_parent(run: Run) -> None:
    # The backend's own home is beneath the place that `run` makes: binding /tmp shows it all.
    done = run(
        ["/bin/sh", "-c", "find /shown/sagebrush-test-* -name spec.json 2>/dev/null | wc -l"],
        binds=[["/tmp", "/shown", True]],
    )
    assert (done.code, done.log) == (0, "0")


@real
def test_what_lies_under_the_hosts_tmp_can_be_shown(run: Run) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="sagebrush-bind-") as shown:
        os.chmod(shown, 0o755)
        (Path(shown) / "file").write_text("seen")
        (Path(shown) / "file").chmod(0o644)
        done = run(
            ["/bin/sh", "-c", f"cat {shown}/file; echo x > /tmp/own && ls -d /tmp/*"],
            binds=[[shown, shown, True]],
        )
        assert os.listdir(shown) == ["file"]
    assert (done.code, done.log) == (0, f"seen/tmp/own\n{shown}")
