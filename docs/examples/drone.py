#!/usr/bin/env python3
"""A Drone of the Hive, of Python's standard library alone: drone.py --queen hive.example.org:8080 --join hive.join

To be read beside docs/PROTOCOL.md by whoever writes one in another language: (8.2) is a section there. `Body` reads
what the Queen says, `Lease` is a piece of work, `Pool` the threads that compute, `Link` what dies with a connection,
`Drone` what outlives it. The last two belong to one thread, asyncio's, so that no rule of the protocol needs a lock."""
import argparse, asyncio, collections, contextlib, hashlib, heapq, hmac, os, signal, ssl, struct, threading, time

DRONE, QUEEN = b"\xF0\x9F\x90\x9D\5\0\1\0", b"\xF0\x9F\x90\x9D\5\0\0\0"     # prefaces (2)
MAX_HANDSHAKE, MAX_FRAME, MAX_PART, SHORT, WINDOW = 4096, 8 << 20, 512 << 10, 4 << 10, 4 << 20       # bytes (3, 8.2)
MAX_LIST, MAX_HELD, MAX_KEPT = 16384, 8192, 64 << 20   # elements (4); leases and bytes that stop the pool (8.1)
MAX_MATERIAL, MAX_PIECE = 16 << 20, 256 << 10          # bytes (8.7)
PART_NS, STEP_NS = 250_000_000, 1_000_000     # computing between two parts (8.2), and until a thread looks up (8.1)
class Trouble(Exception): """There is no connection, or not any more."""
def need(holds, what):
    if not holds: raise Trouble(f"she broke the protocol: {what}")
def tell(text):                       # what comes from elsewhere must not play tricks on the terminal
    print("".join(char if char.isprintable() else "\uFFFD" for char in text), flush=True)
def number(value):                    # section 4
    for limit, marker, width in (251, b"", 1), (1 << 16, b"\xFB", 2), (1 << 32, b"\xFC", 4), (1 << 64, b"\xFD", 8):
        if value < limit: return marker + value.to_bytes(width, "little")
def numbers(*values): return b"".join(map(number, values))
def listed(elements): return number(len(elements)) + b"".join(elements)
def text(value): return number(len(value.encode())) + value.encode()
def frame(body): return struct.pack("<I", len(body)) + body      # section 3

class Body:                           # of a frame, to be read (4)
    def __init__(self, body): self.body, self.at = body, 0
    def take(self, count):
        self.at += count
        need(self.at <= len(self.body), "a message ends too early")
        return self.body[self.at - count:self.at]
    def number(self, width=8):        # of at most so many bytes
        first = self.take(1)[0]
        size = {251: 2, 252: 4, 253: 8}.get(first, 0 if first < 251 else 9)
        need(size <= width, "a number is longer than its type")
        return int.from_bytes(self.take(size), "little") if size else first
    def numbers(self, count): return tuple(self.number() for _ in range(count))
    def bytes(self): return self.take(self.number())
    def text(self): return self.bytes().decode(errors="replace")
    def option(self, value): return value() if self.number() else None
    def list(self, element): return [element() for _ in range(self.number())]      # the frame ends before long
    def end(self): need(self.at == len(self.body), "bytes are left over behind a message")

class JoinFile:                       # section 2
    def __init__(self, path):
        if os.stat(path).st_mode & 0o077: raise ValueError("it holds a secret, and others may read it: `chmod 600` it")
        lines = [line.strip() for line in open(path) if line.strip() and line[0] != "#"]
        if lines[0] != "hive-join 1": raise ValueError("it is no join file of version 1")
        _, self.name, secret = lines[1].split(" ")
        self.secret, self.tls = bytes.fromhex(secret), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_3                      # it checks certificates and names,
        self.tls.load_verify_locations(cadata="\n".join(lines[2:]))            # and trusts nobody but this authority

def hasher(body, material):           # section 7; `material` is the key or salt, if it is not in the lease
    algorithm = body.number(4)
    need(algorithm <= 3, f"there is no algorithm {algorithm}")
    if algorithm == 0: return lambda word: hashlib.sha256(word).digest()
    if algorithm == 1: return lambda word: hashlib.sha256(hashlib.sha256(word).digest()).digest()
    first, iterations = body.bytes(), body.number(4) if algorithm == 3 else None
    if material is not None: first = material
    if algorithm == 2: return lambda word: hmac.digest(first, word, "sha256")
    return lambda word: hashlib.pbkdf2_hmac("sha256", word, first, iterations)

class Lease:
    """Its indices from `start` to before `end` are wanted and not known to be stored; none are if `end` is 0. A thread
    has `reached` so far; what is below `computed` came from it, what is below `said` was sent on this connection."""
    def __init__(self, body, kept):   # section 6; `kept` is material
        self.name, self.task, self.instance = body.numbers(2), body.number(), body.take(16)    # lease and epoch
        priority, rank = int.from_bytes(body.take(1), "little", signed=True), body.number()
        self.urgency = -priority, rank, self.name              # the smallest is the most urgent
        self.start, self.end = body.numbers(2)
        self.material = body.option(lambda: body.take(32))
        need(self.material is None or self.material in kept, "a lease names material that is not there")
        need(body.number(2) == 1, "there is work of a kind that was not promised")
        self.digest, self.blob = hasher(body, kept.get(self.material)), body.bytes()
        count = int.from_bytes(self.blob[:4], "little")
        self.at = 4 + 4 * count                                # where in the blob the next input begins
        need(0 < count == self.end - self.start and self.at <= len(self.blob), "a range is not that of its inputs")
        self.lengths = struct.unpack_from(f"<{count}I", self.blob, 4)
        need(self.at + sum(self.lengths) == len(self.blob), "a blob's lengths do not add up")
        self.first = self.reached = self.computed = self.said = self.start
        self.begun, self.digests, self.spent = False, [], 0    # results and nanoseconds since the last part
        self.parts = collections.deque()                       # first index, results, nanoseconds: without receipt
    def step(self):                   # one input at least, since a library's call cannot be paused
        until = time.monotonic_ns() + STEP_NS
        while self.reached < self.end and 32 * len(self.digests) < MAX_PART:
            length = self.lengths[self.reached - self.first]
            self.digests.append(self.digest(self.blob[self.at:self.at + length]))
            self.at, self.reached = self.at + length, self.reached + 1
            if time.monotonic_ns() > until: break

class Pool:
    """Computes the `threads` most urgent leases, a step at a time. As that may take long, some more threads are there
    for what comes and is more urgent (8.1). They run side by side where hashlib lets them: PBKDF2 and long inputs."""
    def __init__(self, threads, report):
        self.threads, self.report, self.busy_ns, self.has_room = threads, report, 0, threading.Event()
        self.changed, self.waiting, self.running = threading.Condition(), [], {}    # running: when its step began
        for _ in range(threads + 4): threading.Thread(target=self.work, daemon=True).start()
    def add(self, lease):
        with self.changed:
            heapq.heappush(self.waiting, (lease.urgency, lease))
            self.changed.notify()
    def recall(self):                 # what no thread has begun with
        with self.changed:
            recalled = [lease for _, lease in self.waiting if not lease.begun]
            self.waiting = sorted(entry for entry in self.waiting if entry[1].begun)
        return recalled
    def worked(self):                 # nanoseconds, of all threads together, with what is under way
        with self.changed:
            return self.busy_ns + sum(time.monotonic_ns() - began for began in self.running.values())
    def is_due(self):
        return self.waiting and sum(one.urgency < self.waiting[0][0] for one in self.running) < self.threads
    def work(self):
        while self.has_room.wait():
            with self.changed:
                self.changed.wait_for(self.is_due)
                lease, failure = heapq.heappop(self.waiting)[1], None
                lease.begun, self.running[lease] = True, time.monotonic_ns()
            try: lease.step()
            except Exception as error: failure = str(error) or repr(error)
            with self.changed:
                spent = time.monotonic_ns() - self.running.pop(lease)
                self.busy_ns, lease.spent = self.busy_ns + spent, lease.spent + spent
                is_over = failure is not None or lease.reached >= lease.end
                if is_over or lease.spent >= PART_NS or 32 * len(lease.digests) >= MAX_PART:
                    self.report(lease, b"".join(lease.digests), lease.spent, failure)
                    lease.digests, lease.spent = [], 0
                if not is_over: heapq.heappush(self.waiting, (lease.urgency, lease))

class Link:
    def __init__(self, reader, writer):
        self.coming = None            # material that has not come whole: its name, length and bytes (8.7)
        self.reader, self.writer, self.silence, self.wake = reader, writer, None, asyncio.Event()
        self.offered, self.short, self.rest = [], collections.deque(), collections.deque()     # to be said
        self.sent, self.stored, self.unstored = collections.deque(), 0, 0      # parts without receipt, with it; bytes
    async def read(self, count):
        data = b""
        while len(data) < count:
            async with asyncio.timeout(self.silence): more = await self.reader.read(count - len(data))
            if not more: raise Trouble("she closed the connection")
            data += more
        return data
    async def hear(self, limit):      # a frame with its length, since the proofs are about both
        length = await self.read(4)
        need(int.from_bytes(length, "little") <= limit, "a frame is too long")
        return length + await self.read(int.from_bytes(length, "little"))

class Drone:
    def __init__(self, options, join):
        self.options, self.join, self.seat, self.link = options, join, os.urandom(32), None
        self.leases, self.kept, self.items, self.is_leaving = {}, 0, 0, False  # by lease and epoch; bytes of results
        self.material = {}            # by name
    def is_open(self): return self.link is not None and self.link.offered is None
    def hear(self, body):             # all of a message is read before it has an effect (6)
        kind = body.number(4)
        leases = lambda: [body.list(lambda: Lease(body, self.material))]
        said = [leases, lambda: [body.numbers(2), body.number()], lambda: [], lambda: [body.text()],
                lambda: [body.list(lambda: body.option(lambda: body.numbers(3)))],
                lambda: [body.number()], lambda: ["The Queen asks this Drone to leave"],
                lambda: [body.take(32), *body.numbers(2), body.bytes()], lambda: [body.take(32)]][kind]()
        body.end()
        [self.work, self.shrink, lambda: None, self.goodbye, self.adopted, self.stored, self.leave,
         self.piece, self.forget_material][kind](*said)
        self.settle()
    def work(self, leases):
        names = {lease.name: lease for lease in leases}
        need(self.is_open(), "there is work before the offer is answered")
        need(len(names) == len(leases) and not names.keys() & self.leases.keys(), "a lease is given twice")
        need(len(self.leases) + len(leases) <= MAX_LIST, "there are more leases than an offer has room for")
        self.leases.update(names)
        if self.is_leaving: return self.hand_back(leases)
        for lease in leases: self.pool.add(lease)
    def piece(self, name, total, offset, piece):               # section 8.7
        known, length, before = self.link.coming or (name, total, b"")
        need(self.is_open() and (name, total, offset) == (known, length, len(before)), "a piece is not the next one")
        need(0 < len(piece) <= MAX_PIECE and name not in self.material, "a piece is none")
        need(sum(map(len, self.material.values())) + total <= MAX_MATERIAL, "there is more material than is kept")
        self.link.coming, whole = (name, total, before + piece), before + piece
        if len(whole) >= total:
            need(len(whole) == total and hashlib.sha256(whole).digest() == name, "material is not what its name says")
            self.link.coming, self.material[name] = None, whole
    def forget_material(self, name):
        need(self.material.pop(name, None) is not None, "she has forgotten what is not there")
    def shrink(self, name, end):      # section 8.3
        if self.is_open() and name in self.leases: self.cut(self.leases[name], end)
    def cut(self, lease, end):
        lease.end = min(lease.end, end)
        if lease.start >= lease.end: self.forget(lease)
    def goodbye(self, reason): raise Trouble(f"she said goodbye: {reason}")
    def adopted(self, answers):       # lease, from, to (8.6)
        link, offered, taken = self.link, self.link.offered, [answer for answer in answers if answer]
        need(not self.is_open() and len(offered) == len(answers), "she answers another offer")
        need(len({name for name, _, _ in taken}) == len(taken) and all(
            not answer or start <= answer[1] < answer[2] <= end for (_, start, end), answer in zip(offered, answers)
        ), "she adopts what was not offered")
        link.offered, self.leases = None, {}
        for (lease, _, _), answer in zip(offered, answers):
            if not answer: self.forget(lease)
            elif not lease.end: link.rest.append(b"\2\1" + numbers(answer[0], link.epoch))     # it failed meanwhile
            else:
                lease.name, lease.start, lease.said = (answer[0], link.epoch), answer[1], answer[1]
                self.leases[lease.name], parts, lease.parts = lease, lease.parts, collections.deque()
                self.kept -= sum(len(digests) for _, digests, _ in parts)
                for part in parts: self.keep(lease, *part)     # and so says it again
                self.cut(lease, answer[2])
        if offered: tell(f"The Queen takes back {len(taken)} of {len(offered)} leases that were left from before")
        if self.is_leaving: self.leave()
    def stored(self, outputs):        # section 8.2
        need(outputs <= self.link.stored + len(self.link.sent), "she stored more than was sent")
        while self.link.stored < outputs:
            lease, size = self.link.sent.popleft()
            self.link.stored, self.link.unstored = self.link.stored + 1, self.link.unstored - size
            if lease.end:
                first, _, _ = lease.parts.popleft()
                self.kept, lease.start = self.kept - size, first + size // 32
                self.cut(lease, lease.end)
    def computed(self, lease, digests, spent, failure):        # what the pool reports
        first, count = lease.computed, len(digests) // 32
        lease.computed, self.items = first + count, self.items + count
        if lease.end: self.keep(lease, first, digests, spent)
        if lease.end and failure:
            tell(f"A lease of task {lease.task} cannot be computed: {failure}")
            if self.is_open(): self.link.rest.append(b"\1" + numbers(*lease.name) + text(failure[:250]))
            self.forget(lease)
        self.settle()
    def keep(self, lease, first, digests, spent):              # what is wanted, until there is a receipt
        digests = digests[32 * max(0, lease.start - first):32 * max(0, lease.end - first)]
        first = max(lease.start, first)
        if not digests: return
        lease.parts.append((first, digests, spent))
        self.kept += len(digests)
        is_short = first == lease.start and len(digests) == 32 * (lease.end - first) <= SHORT
        if self.is_open(): (self.link.short if is_short else self.link.rest).append((lease, first, digests, spent))
    def forget(self, lease):
        self.leases.pop(lease.name, None)
        self.kept -= sum(len(digests) for _, digests, _ in lease.parts)
        lease.end = 0                 # where the pool stops
        lease.parts.clear()
    def settle(self):
        is_full = self.kept >= MAX_KEPT or len(self.leases) >= MAX_HELD
        (self.pool.has_room.clear if is_full else self.pool.has_room.set)()
        if self.link: self.link.wake.set()
    def hand_back(self, leases):
        if leases: self.link.rest.append(b"\2" + listed([numbers(*lease.name) for lease in leases]))
        for lease in leases: self.forget(lease)
    def leave(self, why="", at_once=False):                    # section 8.5
        if not self.is_leaving: tell(f"{why}: finishing what was begun, handing back the rest")
        self.is_leaving = True
        if self.is_open():
            self.link.rest.append(b"\4")
            recalled = list(self.leases.values()) if at_once else self.pool.recall()
            self.hand_back([lease for lease in recalled if lease.computed < lease.end])
        elif at_once or not self.link: self.main.cancel()      # nobody is there to take leave of
    def heartbeat(self):              # section 8.4
        named, busy_ns = self.leases.values() if self.is_open() else [], self.pool.worked()
        progress = [numbers(*one.name, min(one.reached, one.end), one.begun) for one in named if one.said < one.end]
        return b"\3" + listed(progress) + numbers(busy_ns // 500, busy_ns)     # an estimate of compressions will do
    def next_message(self):           # that may be sent now: short parts first
        link, outputs, size = self.link, [], 0
        queue = link.short or link.rest
        while queue and size < MAX_PART // 2:
            if isinstance(queue[0], bytes): return b"\0" + listed(outputs) if outputs else queue.popleft()
            if queue is link.rest and link.unstored >= WINDOW and not self.is_leaving: break
            lease, first, digests, spent = queue.popleft()
            if first >= lease.end: continue
            lease.said, size = first + len(digests) // 32, size + len(digests)
            link.sent.append((lease, len(digests)))
            link.unstored += len(digests)
            outputs.append(numbers(*lease.name, first, lease.said, spent, 1, len(digests) // 32) + digests)
        return b"\0" + listed(outputs) if outputs else None
    async def speak(self, link):      # until all is said and stored before leaving
        beat_at, leave_at = 0, float("inf")
        while True:
            now = time.monotonic()
            if message := self.heartbeat() if now >= beat_at else self.next_message():
                if now >= beat_at: beat_at = now + link.pause
                link.writer.write(frame(message))
                await link.writer.drain()
                continue
            if self.is_leaving and self.is_open():
                if all(lease.said >= lease.end for lease in self.leases.values()): leave_at = min(leave_at, now + 10)
                if not self.leases or now >= leave_at: return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(beat_at, leave_at) - now): await link.wake.wait()
            link.wake.clear()
    async def listen(self, link):
        while True: self.hear(Body((await link.hear(MAX_FRAME))[4:]))
    async def greet(self, link):      # section 5
        def mac(role):                # section 5.1
            leaf = link.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            bound = hashlib.sha256(transcript).digest() + hashlib.sha256(leaf).digest()
            return hmac.digest(self.join.secret, b"Hive, Queen and Drone, version 5, proof" + role + bound, "sha256")
        link.writer.write(DRONE)
        if (preface := await link.read(8)) != QUEEN: raise Trouble(f"no Queen of version 5 is there: {preface}")
        hello = b"\0" + text(self.options.name) + text("drone.py") + self.seat + numbers(self.options.threads)
        hello = frame(hello + b"\1\1" + b"\0" + numbers(MAX_MATERIAL) + os.urandom(32))     # digests; rates: none
        link.writer.write(hello)
        transcript, heard = DRONE + QUEEN + hello, await link.hear(MAX_HANDSHAKE)
        is_challenged = heard[4] == 0
        if is_challenged:
            if not self.join: raise Trouble("she asks for a proof: start this Drone with --join FILE")
            proof = frame(b"\1" + text(self.join.name) + bytes(32))[:-32]
            transcript += heard + proof
            transcript += mac(b"\1")
            link.writer.write(proof + transcript[-32:])
            heard = await link.hear(MAX_HANDSHAKE)
        body = Body(heard[4:])
        if (kind := body.number(4)) == 2: raise Trouble(f"she refuses this Drone: {body.text()}")
        need(kind == 1, "there is no welcome")
        drone, link.epoch, pause, silence = body.numbers(4)
        theirs = body.option(lambda: body.take(32)) or b""
        body.end()
        transcript += heard[:-32]
        if self.join and not (is_challenged and hmac.compare_digest(theirs, mac(b"\0"))):
            raise Trouble("she does not prove that she knows the secret of the join file")
        link.pause, link.silence = max(pause, 10) / 1000, max(silence, 2 * pause) / 1000
        tell(f"Connected to the Queen; this is Drone {drone}, compute threads: {self.options.threads}")
    async def serve(self, link):      # until the connection has ended or the Drone has left
        self.link, link.offered = link, [(lease, lease.start, lease.end) for lease in self.leases.values()]
        offer = [numbers(*one.name, one.task) + one.instance + numbers(start, end) for one, start, end in link.offered]
        needed = {lease.material for lease in self.leases.values() if lease.computed < lease.end}
        self.material = {name: whole for name, whole in self.material.items() if name in needed}
        kept = [name + numbers(len(whole)) for name, whole in self.material.items()]
        link.writer.write(frame(b"\5" + listed(offer) + listed(kept)))
        listening, speaking = tasks = [asyncio.create_task(task) for task in (self.listen(link), self.speak(link))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():  # all is said, or no more can be; closing before all is read would reset (8.5)
                link.writer.write_eof() if link.writer.can_write_eof() else link.writer.close()
                await asyncio.wait([listening], timeout=2)
            if not speaking.done() or speaking.exception(): await (listening if listening.done() else speaking)
        finally:
            self.link = None
            for task in tasks: task.cancel()
    async def run(self):              # section 8.6
        loop, self.main, told, tries = asyncio.get_running_loop(), asyncio.current_task(), None, 0
        self.pool = Pool(self.options.threads, lambda *report: loop.call_soon_threadsafe(self.computed, *report))
        tls = {"ssl": self.join.tls, "server_hostname": "queen.hive", "ssl_shutdown_timeout": 2} if self.join else {}
        for sign in signal.SIGINT, signal.SIGTERM:
            loop.add_signal_handler(sign, lambda: (self.leave("Asked to leave", self.is_leaving), self.settle()))
        while not self.is_leaving:
            link, began = None, time.monotonic()
            try:
                async with asyncio.timeout(10):                # both of it without Nagle's delay, by asyncio
                    link = Link(*await asyncio.open_connection(*self.options.queen, limit=1 << 20, **tls))
                    told = await self.greet(link)
                await self.serve(link)
            except (Trouble, OSError, LookupError) as error:   # of OSError are TimeoutError and all errors of TLS
                done = sum(lease.computed >= lease.end for lease in self.leases.values())
                why = f"{str(error) or 'she is not heard'}. Leases held for her: {len(self.leases)}, computed: {done}"
                if why != told: tell(f"No Queen: {why}. Trying again")
                told = why
            finally:
                if link: link.writer.close()
            tries = 0 if link and time.monotonic() - began > 5 else tries + 1
            if not self.is_leaving: await asyncio.sleep(min(0.1 * 2 ** tries, 5) * (0.5 + os.urandom(1)[0] / 512))

if __name__ == "__main__":
    parser = argparse.ArgumentParser(epilog="Ctrl-C or SIGTERM: finish what was begun, hand back the rest; twice: all.")
    parser.add_argument("--queen", metavar="HOST:PORT", default=os.environ.get("HIVE_QUEEN", "127.0.0.1:8080"))
    parser.add_argument("--join", metavar="FILE", default=os.environ.get("HIVE_JOIN_FILE"), help="the Hive's join file")
    parser.add_argument("--threads", metavar="N", type=int, default=os.cpu_count(), help="1 to 4096; one for each CPU")
    parser.add_argument("--name", default=f"{os.uname().nodename[:50]}-{os.getpid()}", help="what people see")
    options = parser.parse_args()
    host, _, port = options.queen.rpartition(":")
    if not (host and port.isdigit() and 1 <= options.threads <= 4096): parser.error("no HOST:PORT, or no such number")
    options.queen = host.strip("[]"), int(port)
    try: drone = Drone(options, JoinFile(options.join) if options.join else None)
    except (OSError, LookupError, ValueError) as error: parser.error(f"the join file {options.join}: {error}")
    with contextlib.suppress(asyncio.CancelledError): asyncio.run(drone.run())
    tell(f"Left the Hive; inputs computed: {drone.items}")
