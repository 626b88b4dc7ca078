"""Processes on this machine that run collectives and spread steps together: gloo or NCCL.

The parent says what to run and takes the time of the slowest.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from calibration.children import end_with_parent, interrupts_held
from calibration.measure.clock import Sample
from calibration.measure.place import Place, set_precision, settled
from calibration.measure.steps import step_of
from calibration.measure.work import Work, host_sample
from calibration.measurement import Case
from calibration.shapes import Collective, WorkloadStep
from hwsim.errors import InputError

PATIENCE = 300.0  # seconds for an answer; a collective whose peer has failed waits forever
LATENESS = 5.0  # seconds for a process to end by itself
ITEM = 4  # bytes of an element


class TeamError(RuntimeError):
    """A process died, hung or could not be started, so the others can't go on."""


class Team:
    """One process for each device of the place; to be closed.

    Raises TeamError where they can't be started or find each other.
    """

    def __init__(self, place: Place, devices: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hwsim-")
        self._members: list[tuple[Connection, BaseProcess]] = []
        meeting = (Path(self._folder.name) / "meeting").as_uri()
        context = multiprocessing.get_context("spawn")
        try:
            for rank in range(devices):
                ours, theirs = context.Pipe()
                given = (theirs, place, rank, devices, meeting)
                process = context.Process(target=_member, args=given, daemon=True)
                with interrupts_held():
                    process.start()
                theirs.close()
                self._members.append((ours, process))
            self._answers()
        except (OSError, RuntimeError) as error:
            self.close()
            raise TeamError(f"processes can't be started ({error})") from None
        except BaseException:
            self.close()
            raise

    def prepare(self, case: Case) -> Sample:
        """The case on all devices. Raises InputError, TeamError or, for torch's, RuntimeError."""
        number = self._ask(case)[0]

        def sample(repeats: int) -> float:
            return float(max(self._ask((number, repeats))))

        return sample

    def clear(self) -> None:
        """Frees all that was prepared."""
        self._ask(None)

    def close(self) -> None:
        """Ends the processes; what was prepared is gone."""
        for connection, _ in self._members:
            connection.close()  # which is the sign to end
        for _, process in self._members:
            process.join(LATENESS)
            process.kill()
            process.join()
        self._members = []
        self._folder.cleanup()

    def _ask(self, order: Any) -> list[Any]:
        try:
            for connection, _ in self._members:
                connection.send(order)
        except OSError:
            raise TeamError("a process has ended") from None
        return self._answers()

    def _answers(self) -> list[Any]:
        answers: list[Any] = []
        for connection, process in self._members:
            try:
                if not connection.poll(PATIENCE):
                    raise TeamError("a process does not answer")
                answers.append(connection.recv())
            except (EOFError, OSError):
                process.join(LATENESS)
                raise TeamError(f"a process died (exit code {process.exitcode})") from None
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def _member(connection: Connection, place: Place, rank: int, devices: int, meeting: str) -> None:
    """The child: answers every order with one message, until the parent closes the pipe."""
    end_with_parent()
    place = Place(f"cuda:{rank}" if place.cuda else "cpu", place.name, place.threads, devices)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the host's name may lead nowhere
    with suppress(EOFError, OSError), settled(place):
        connection.send(_answered(partial(_meet, place, rank, devices, meeting)))
        samples: list[Sample] = []
        while True:
            order = connection.recv()
            connection.send(_answered(partial(_obey, order, samples, place)))
    with suppress(Exception):
        dist.destroy_process_group()


def _answered(call: Callable[[], Any]) -> Any:
    """What it returns or raises; of torch's errors the text alone, which can be sent anywhere."""
    try:
        return call()
    except InputError as error:
        return InputError(error.where, error.what, error.instead)
    except Exception as error:
        return RuntimeError(str(error).partition("\n")[0])


def _meet(place: Place, rank: int, devices: int, meeting: str) -> None:
    backend = "nccl" if place.cuda else "gloo"
    dist.init_process_group(backend, init_method=meeting, rank=rank, world_size=devices)


def _obey(order: Any, samples: list[Sample], place: Place) -> Any:
    if order is None:
        samples.clear()
        return None
    if isinstance(order, Case):
        samples.append(_prepared(order, place))
        return len(samples) - 1
    number, repeats = order
    dist.barrier()
    return samples[number](repeats)


def _prepared(case: Case, place: Place) -> Sample:
    set_precision(place, case.dtype)
    shape = case.shape
    if isinstance(shape, WorkloadStep):
        work = step_of(case, shape, place.device)
    elif isinstance(shape, Collective):
        work = _collective(shape, place)
    else:
        raise InputError("devices", f"{shape.kind} is not measured on several")
    sample = host_sample(work, cuda=place.cuda)
    sample(1)
    return sample


def _collective(shape: Collective, place: Place) -> Work:
    """`bytes` as nccl-tests counts them; sums grow without end, to infinity, at no cost."""
    if shape.algorithm is not None:
        raise InputError("shape.algorithm", "torch does not let it be chosen")
    share, rest = divmod(shape.bytes, ITEM * place.devices)
    if rest:
        raise InputError("shape.bytes", f"found {shape.bytes}, no multiple of {ITEM} a device")
    part = torch.randn(share, device=place.device)
    whole = torch.randn(share * place.devices, device=place.device)
    if shape.collective == "all_reduce":
        return Work(partial(dist.all_reduce, whole), queued=True)
    if shape.collective == "all_gather":
        return Work(partial(dist.all_gather_single, whole, part), queued=True)
    if shape.collective == "reduce_scatter":
        return Work(partial(dist.reduce_scatter_single, part, whole), queued=True)
    known = "all_reduce, all_gather or reduce_scatter"
    raise InputError("shape.collective", f"found {shape.collective}", f"write {known}")
