"""`Loader`: the cartridges that a run writes: which one is opened, or made, for which number and copy of a set.

A serial that was chosen for a new cartridge is noted before it is made, so a run that was killed takes the same one.
"""

from __future__ import annotations

from film_archive.core.errors import Refused
from film_archive.core.journal import Journal
from film_archive.tape.cartridge_lists import CopyCartridges
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.holdings import Holding
from film_archive.tape.records import WritePlan
from film_archive.tape.set_planning import SetState, config_of, require_for_set, wishes_of
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import Membership, OpenTape


class Loader:
    """Opens cartridges of a set for writing. `drives` have one each for a copy; without them they are made in the shelf.

    `known` are cartridges of the set that are not here.
    """

    def __init__(
        self,
        plan: WritePlan,
        shelf: Shelf,
        journal: Journal,
        state: SetState,
        drives: tuple[DriveAddress, ...],
        known: tuple[Holding, ...],
        *,
        allow_large: bool,
    ) -> None:
        self._plan = plan
        self._shelf = shelf
        self._journal = journal
        self._state = state
        self._drives = drives
        self._known = known
        self._allow_large = allow_large
        self._opened: dict[tuple[int, int], tuple[DriveAddress, str, str]] = {}
        """(copy, number) → address, serial and barcode of what this run has opened."""

    def open(self, number: int) -> list[OpenTape]:
        """The cartridges of this number, a copy each, open for writing; new ones are made.

        Raises Refused where another one is in a drive, or where one is used by another job.
        """
        tapes: list[OpenTape] = []
        try:
            for copy in range(1, self._plan.copies + 1):
                tape = self._open_one(Membership(self._plan.tape_id, number, copy))
                tapes.append(tape)
                self._opened[copy, number] = (tape.address, tape.serial, tape.barcode)
        except BaseException:
            for tape in tapes:
                tape.close()
            raise
        return tapes

    def address(self, serial: str) -> DriveAddress | None:
        """Where a cartridge is that this run has opened, or that the set had before; None for one that is not here."""
        for address, known, _ in self._opened.values():
            if known == serial:
                return address
        return next((member.address for member in self._state.members if member.serial == serial), None)

    def cartridges(self, copy: int, planned: int) -> CopyCartridges:
        """What is known of all cartridges of a copy; `planned` is how many there are to be."""
        serials: dict[int, str] = {}
        barcodes = {one.number: one.barcode for one in self._plan.cartridges if one.copy == copy and not self._drives}
        here = {serial for _, serial, _ in self._opened.values()}
        there = [(one.membership, one.serial, one.barcode) for one in self._known if one.serial not in here]
        there += [(one.membership, one.serial, one.barcode) for one in self._state.members]
        for membership, serial, barcode in there:
            if membership is not None and membership.copy == copy:
                serials[membership.number], barcodes[membership.number] = serial, barcode
        for (of, number), (_, serial, barcode) in self._opened.items():
            if of == copy:
                serials[number], barcodes[number] = serial, barcode
        return CopyCartridges(serials, barcodes, planned)

    def _open_one(self, membership: Membership) -> OpenTape:
        if self._drives:
            return self._in_drive(self._drives[membership.copy - 1], membership)
        for member in self._state.members:
            if member.membership == membership:
                return OpenTape(member.address, writable=True, allow_large=self._allow_large)
        serial = self._serial(membership)
        config = config_of(wishes_of(self._plan))
        return self._shelf.make(serial, config, membership, allow_large=self._allow_large)

    def _serial(self, membership: Membership) -> str:
        """The serial of a new cartridge: what a killed run had chosen for it, what the plan says, else the next."""
        begun = {(entry["copy"], entry["number"]): str(entry["serial"]) for entry in self._journal.entries()}
        key = (membership.copy, membership.number)
        if key in begun:
            return begun[key]
        planned = {(one.copy, one.number): one.volser for one in self._plan.cartridges}
        chosen = planned.get(key)
        if chosen is None or chosen in set(begun.values()):
            chosen = self._shelf.new_serials(1, [*begun.values(), *planned.values()])[0]
        self._journal.append({"serial": chosen, "copy": key[0], "number": key[1]}, sync=True)
        return chosen

    def _in_drive(self, address: DriveAddress, wanted: Membership) -> OpenTape:
        """The cartridge in a drive, if it is one to write this set on."""
        tape = OpenTape(address, writable=True, allow_large=self._allow_large)
        try:
            found = require_for_set(tape, wanted.tape_id, wanted.copy)
            if found is None:
                tape.join_set(wanted)
            elif found != wanted:
                raise Refused(
                    f"The cartridge {tape.serial} in {address} is number {found.number} of its copy of {found.tape_id}, and "
                    f"{wanted.number} was there when the job was planned; nothing was written. Plan again."
                )
            there = self._state.there[wanted.copy - 1]
            there.update((path, (tape.serial, file)) for path, file in tape.files())
        except BaseException:
            tape.close()
            raise
        return tape
