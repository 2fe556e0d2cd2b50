"""How the database came to be: small named steps, each applied once and written down.

The tables are a product: plain columns that sqlite-utils or datasette can open. A step that
was released is never changed; a new one is added below it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cems_tui.domain.savings import Z_90
from cems_tui.lean_imports import absent
from cems_tui.store.rollups import FOLDED_PICTURES, ROLLUPS
from cems_tui.store.rows import local_day, place_column, prompt_id

if TYPE_CHECKING:
    from sqlite_utils import Database

SET = "cems"
"""The name our steps have in that table."""

TABLE = "_sqlite_migrations"
"""Where sqlite-utils writes down what was applied."""

GENERATIONS = """
CREATE TABLE generations (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL REFERENCES sessions (id),
    created TEXT NOT NULL,
    prompt TEXT NOT NULL,
    negative TEXT NOT NULL,
    function TEXT NOT NULL,
    executed TEXT NOT NULL,
    fallback TEXT,
    image TEXT NOT NULL,
    seed NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    guidance REAL NOT NULL,
    sampler TEXT NOT NULL,
    model TEXT NOT NULL,
    router TEXT,
    metric TEXT,
    policy TEXT NOT NULL,
    policy_value,
    seconds_load REAL,
    seconds_encode REAL,
    seconds_denoise REAL,
    seconds_decode REAL,
    seconds_score REAL,
    seconds_total REAL NOT NULL,
    peak_memory_bytes INTEGER,
    energy_wh REAL,
    cost_usd REAL,
    cost_source TEXT,
    load_cost_usd REAL,
    load_bytes INTEGER,
    score_error TEXT,
    rating INTEGER CHECK (rating BETWEEN 1 AND 5),
    starred INTEGER NOT NULL DEFAULT 0,
    removed TEXT,
    decision TEXT NOT NULL
)
"""

BENCH_CELLS = """
CREATE TABLE bench_cells (
    id INTEGER PRIMARY KEY,
    bench TEXT NOT NULL REFERENCES benches (name) ON DELETE CASCADE,
    prompt_id TEXT NOT NULL,
    prompt TEXT NOT NULL,
    group_name TEXT,
    function TEXT NOT NULL,
    seed,
    rater TEXT,
    seconds REAL,
    memory_bytes INTEGER,
    cost_usd REAL,
    error TEXT,
    created TEXT NOT NULL
)
"""


def applied(db: sqlite3.Connection) -> set[str]:
    """The names of our steps that a database has gone through; nothing is written."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [TABLE]).fetchone():
        return set()
    rows = db.execute(f"SELECT name FROM {TABLE} WHERE migration_set = ?", [SET])
    return {str(row[0]) for row in rows}


def pending(db: sqlite3.Connection) -> bool:
    """Whether a database has steps before it."""
    return not {step.__name__ for step in STEPS} <= applied(db)


def migrator() -> Callable[[sqlite3.Connection], None]:
    """Applies what is pending. Only this needs sqlite-utils, which takes numpy along."""
    with absent("pandas"):
        from sqlite_utils import Database, Migrations

    steps: Any = Migrations(SET)
    for step in STEPS:
        steps(name=step.__name__)(step)
    return lambda db: steps.apply(Database(db, execute_plugins=False))


def m001_sessions(db: Database) -> None:
    """One row a run of the app or command, or a named session that several of them share."""
    db.execute(
        """
        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            name TEXT UNIQUE,
            kind TEXT NOT NULL,
            started TEXT NOT NULL,
            command TEXT NOT NULL DEFAULT ''
        )
        """
    )


def m002_generations(db: Database) -> None:
    """One row a picture.

    `number` ties a row to its full-text entry: rowids without a name change in a VACUUM.
    `seed` has no type: seeds beyond 2⁶³ do not fit SQLite's integers and are kept as text.
    """
    db.execute(GENERATIONS)
    db.execute("CREATE INDEX generations_created ON generations (created, id)")
    db.execute("CREATE INDEX generations_session ON generations (session, created)")
    db.execute("CREATE INDEX generations_executed ON generations (executed, created)")
    db.execute("CREATE INDEX generations_image ON generations (image)")


def m003_candidates(db: Database) -> None:
    """What the policy looked at, so that every decision can be replayed."""
    db.execute(
        """
        CREATE TABLE candidates (
            generation TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            function TEXT NOT NULL,
            rank INTEGER NOT NULL,
            quality REAL,
            interval_low REAL,
            interval_high REAL,
            quality_source TEXT NOT NULL,
            probability REAL,
            cost_usd REAL,
            cost_source TEXT,
            priced INTEGER NOT NULL,
            load_cost_usd REAL,
            seconds REAL,
            memory_bytes INTEGER,
            load_seconds REAL,
            utility REAL,
            installed INTEGER NOT NULL,
            resident INTEGER NOT NULL,
            fits INTEGER,
            allowed INTEGER NOT NULL,
            PRIMARY KEY (generation, position)
        )
        """
    )


def m004_scores(db: Database) -> None:
    """One row a reading; readings of different scorers are never compared."""
    db.execute(
        """
        CREATE TABLE scores (
            generation TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            metric TEXT NOT NULL,
            value REAL NOT NULL,
            scorer TEXT NOT NULL,
            higher_is_better INTEGER NOT NULL DEFAULT 1,
            PRIMARY KEY (generation, position)
        )
        """
    )


def m005_search(db: Database) -> None:
    """Full-text search over prompts, kept up to date by triggers."""
    table: Any = db["generations"]
    table.enable_fts(["prompt", "negative"], create_triggers=True, tokenize="porter unicode61")


def m006_failures(db: Database) -> None:
    """Requests that ended without a picture: history that forgets them would flatter."""
    db.execute(
        """
        CREATE TABLE failures (
            id INTEGER PRIMARY KEY,
            request TEXT NOT NULL,
            session TEXT NOT NULL REFERENCES sessions (id),
            prompt TEXT NOT NULL,
            function TEXT,
            message TEXT NOT NULL,
            exit_code INTEGER NOT NULL,
            created TEXT NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX failures_session ON failures (session, created)")


def m007_benches(db: Database) -> None:
    """Benchmarks: what each is made of, its cells, and their scores.

    A score without a value is a missing cell: asked for and not there.
    """
    db.execute(
        """
        CREATE TABLE benches (
            name TEXT PRIMARY KEY,
            created TEXT NOT NULL,
            spec TEXT NOT NULL,
            status TEXT NOT NULL
        )
        """
    )
    db.execute(BENCH_CELLS)
    db.execute(
        """
        CREATE TABLE bench_scores (
            cell INTEGER NOT NULL REFERENCES bench_cells (id) ON DELETE CASCADE,
            metric TEXT NOT NULL,
            value REAL,
            scorer TEXT,
            higher_is_better INTEGER NOT NULL DEFAULT 1,
            PRIMARY KEY (cell, metric)
        )
        """
    )
    db.execute("CREATE INDEX bench_cells_of ON bench_cells (bench, function, prompt_id, seed)")


def m008_blocked_candidates(db: Database) -> None:
    """Why a candidate could not follow the request."""
    db.execute("ALTER TABLE candidates ADD COLUMN blocked_by TEXT")
    db.execute("ALTER TABLE candidates ADD COLUMN blocked_kind TEXT")


MOVED_PICTURE = "moved_picture"
"""The SQL function that m009 names pictures with: what a row says in, what it says from now on."""


def moved_picture(home: Path) -> Callable[[str], str]:
    """How a row of an older database names its picture from now on.

    A picture inside the home is named from there, and so is one whose home has moved since: its
    old place is empty, and the pictures folder has it.
    """

    def named(image: str) -> str:
        place = Path(image)
        if place.is_absolute() and not place.exists() and (home / "pictures" / place.name).exists():
            place = home / "pictures" / place.name
        return place_column(place, home) if place.is_absolute() else image

    return named


def m009_pictures_from_home(db: Database) -> None:
    """Pictures inside the home are named from there, so that a home may move."""
    db.execute(f"UPDATE generations SET image = {MOVED_PICTURE}(image)")


def m010_price_certainty(db: Database) -> None:
    """How sure prices are: intervals of what was expected, and what waited for a processor."""
    db.execute("ALTER TABLE candidates ADD COLUMN cost_low REAL")
    db.execute("ALTER TABLE candidates ADD COLUMN cost_high REAL")
    db.execute("ALTER TABLE generations ADD COLUMN contention REAL")
    db.execute("ALTER TABLE bench_cells ADD COLUMN contention REAL")


def m011_start_seconds(db: Database) -> None:
    """What making the process ready took, before the model was loaded."""
    db.execute("ALTER TABLE generations ADD COLUMN seconds_start REAL")


DIFFERENCE_COLUMNS = (
    "difference_to TEXT",
    "difference_quality REAL",
    "difference_low REAL",
    "difference_high REAL",
    "difference_least REAL",
)


def m012_differences(db: Database) -> None:
    """How sure it was that a candidate is better or worse than the choice."""
    for column in DIFFERENCE_COLUMNS:
        db.execute(f"ALTER TABLE candidates ADD COLUMN {column}")


def m013_precision(db: Database) -> None:
    """What the weights of a picture's model were held in."""
    db.execute("ALTER TABLE generations ADD COLUMN precision TEXT")


JOBS = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    submission TEXT NOT NULL,
    kind TEXT NOT NULL,
    priority TEXT NOT NULL,
    state TEXT NOT NULL,
    title TEXT NOT NULL,
    request TEXT,
    arguments TEXT,
    budget_usd REAL,
    reason TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT '',
    exit_code INTEGER,
    paused_by TEXT,
    wish TEXT,
    owner TEXT,
    tier INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL,
    function TEXT,
    model TEXT,
    seconds REAL,
    cost_usd REAL,
    load_seconds REAL,
    load_cost_usd REAL
)
"""


def m014_jobs(db: Database) -> None:
    """The queue: one row a job, kept until it is done and after that as a memory of how it ended.

    `number` never comes again (AUTOINCREMENT): it is the order of adding, whatever clocks say.
    """
    db.execute(JOBS)
    db.execute("CREATE INDEX jobs_state ON jobs (state, tier, number)")


FORESIGHT_COLUMNS = (
    "day TEXT",
    "prompt_id TEXT",
    "router_sha256 TEXT",
    "scorer TEXT",
    "predicted_quality REAL",
    "predicted_low REAL",
    "predicted_high REAL",
    "measured_quality REAL",
)


def m015_foresight(db: Database) -> None:
    """What was predicted and measured of each picture beside each other, and its local day."""
    for column in FORESIGHT_COLUMNS:
        db.execute(f"ALTER TABLE generations ADD COLUMN {column}")
    db.conn.create_function("local_day", 1, local_day)
    db.conn.create_function("prompt_id_of", 2, prompt_id)
    ran = (
        "SELECT {} FROM candidates WHERE generation = generations.id AND function = executed "
        "ORDER BY position LIMIT 1"
    )
    named = "json_extract(decision, '$.scorer')"
    read = (
        "SELECT {} FROM scores WHERE generation = generations.id "
        f"AND scores.metric = generations.metric AND coalesce({named} = scorer, 1) "
        "ORDER BY position LIMIT 1"
    )
    db.execute("DROP TRIGGER generations_au")  # what words a picture has does not change here
    db.execute(
        f"""
        UPDATE generations SET day = local_day(created),
            prompt_id = prompt_id_of(prompt, negative),
            router_sha256 = json_extract(decision, '$.router_sha256'),
            scorer = coalesce(({read.format("scores.scorer")}), {named}),
            predicted_quality = ({ran.format("quality")}),
            predicted_low = ({ran.format("interval_low")}),
            predicted_high = ({ran.format("interval_high")}),
            measured_quality =
                ({read.format("CASE WHEN higher_is_better THEN value ELSE -value END")})
        """
    )
    db.execute(
        """
        CREATE TRIGGER generations_au AFTER UPDATE OF prompt, negative ON generations BEGIN
            INSERT INTO generations_fts (generations_fts, rowid, prompt, negative)
                VALUES ('delete', OLD.number, OLD.prompt, OLD.negative);
            INSERT INTO generations_fts (rowid, prompt, negative)
                VALUES (NEW.number, NEW.prompt, NEW.negative);
        END
        """
    )
    db.execute("CREATE INDEX generations_prompt ON generations (prompt_id, executed)")
    db.execute("CREATE INDEX bench_cells_prompt ON bench_cells (prompt_id)")


COMPARISON_COLUMNS = (
    "compared INTEGER NOT NULL DEFAULT 0",
    "cheapest INTEGER",
    "dearest INTEGER",
    "ran_usd REAL",
    "gained REAL",
    "gained_variance REAL",
)


def m016_comparisons(db: Database) -> None:
    """What each routed picture is compared with, and what was gained over that in quality.

    The parts of a picture may be written before its row from now on, in one transaction.
    """
    for table in ("candidates", "scores"):
        [made] = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
        later = made.replace("ON DELETE CASCADE", "ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED")
        db.execute(f"CREATE TABLE later_{table} {later[later.index('(') :]}")
        db.execute(f"INSERT INTO later_{table} SELECT * FROM {table}")
        db.execute(f"DROP TABLE {table}")
        db.execute(f"ALTER TABLE later_{table} RENAME TO {table}")
    for column in COMPARISON_COLUMNS:
        db.execute(f"ALTER TABLE candidates ADD COLUMN {column}")
    place = "row_number() OVER (PARTITION BY other.generation ORDER BY other.cost_usd {})"
    deviation = f"(({{0}}.interval_high - {{0}}.interval_low) / {2 * Z_90})"
    mine, theirs = deviation.format("ran"), deviation.format("other")
    db.execute(
        f"""
        UPDATE candidates SET compared = 1, cheapest = found.cheapest, dearest = found.dearest,
            ran_usd = found.ran_usd, gained = found.gained, gained_variance = found.variance
        FROM (
            SELECT other.generation, other.position, ran.cost_usd AS ran_usd,
                {place.format(", other.position")} = 1 AS cheapest,
                {place.format("DESC, other.position")} = 1 AS dearest,
                ran.quality - other.quality AS gained,
                CASE WHEN ran.quality - other.quality IS NULL THEN NULL
                    WHEN ran.function = other.function THEN 0.0
                    ELSE {mine} * {mine} + {theirs} * {theirs} END AS variance
            FROM generations
            JOIN candidates AS ran ON ran.generation = generations.id
                AND ran.function = executed AND ran.cost_usd IS NOT NULL
            JOIN candidates AS other ON other.generation = generations.id
                AND other.cost_usd IS NOT NULL
                AND ((other.allowed AND other.fits IS NOT 0) OR other.function = executed)
            WHERE policy <> 'pinned'
        ) AS found
        WHERE candidates.generation = found.generation AND candidates.position = found.position
        """
    )


_REPEATED_PROMPTS = (
    "CREATE TABLE repeated_prompts (prompt_id TEXT PRIMARY KEY) WITHOUT ROWID",
    """
    INSERT INTO repeated_prompts SELECT prompt_id FROM generations
    WHERE prompt_id IS NOT NULL GROUP BY prompt_id HAVING MIN(executed) < MAX(executed)
    """,
    """
    CREATE TRIGGER repeated_prompts_new AFTER INSERT ON generations BEGIN
        INSERT OR IGNORE INTO repeated_prompts SELECT NEW.prompt_id WHERE EXISTS (
            SELECT 1 FROM generations
            WHERE prompt_id = NEW.prompt_id AND executed <> NEW.executed);
    END
    """,
    """
    CREATE TRIGGER repeated_prompts_old AFTER DELETE ON generations BEGIN
        DELETE FROM repeated_prompts WHERE prompt_id = OLD.prompt_id AND NOT EXISTS (
            SELECT 1 FROM generations WHERE prompt_id = OLD.prompt_id
            GROUP BY prompt_id HAVING MIN(executed) < MAX(executed));
    END
    """,
)
"""Prompts that several functions have drawn."""

_NOTHING_LEFT = """
    NOT EXISTS (SELECT 1 FROM generations WHERE session = OLD.session)
    AND NOT EXISTS (SELECT 1 FROM failures WHERE session = OLD.session)
"""

_ACTIVE_SESSIONS = (
    "CREATE TABLE active_sessions (session TEXT PRIMARY KEY) WITHOUT ROWID",
    """
    INSERT INTO active_sessions
    SELECT session FROM generations UNION SELECT session FROM failures
    """,
    *(
        f"""
        CREATE TRIGGER active_sessions_{table}_new AFTER INSERT ON {table} BEGIN
            INSERT OR IGNORE INTO active_sessions VALUES (NEW.session);
        END
        """
        for table in ("generations", "failures")
    ),
    *(
        f"""
        CREATE TRIGGER active_sessions_{table}_old AFTER DELETE ON {table} BEGIN
            DELETE FROM active_sessions WHERE session = OLD.session AND {_NOTHING_LEFT};
        END
        """
        for table in ("generations", "failures")
    ),
)
"""Sessions that made or tried a picture."""


def m017_rollups(db: Database) -> None:
    """Sums that are kept, and which prompts several functions have drawn."""
    for rollup in ROLLUPS:
        for statement in rollup.statements():
            db.execute(statement)
    for statement in _REPEATED_PROMPTS + _ACTIVE_SESSIONS:
        db.execute(statement)
    db.execute("DROP INDEX generations_executed")
    db.execute("CREATE INDEX generations_executed ON generations (executed, precision, created)")
    db.execute(
        "CREATE INDEX generations_loads ON generations (model, precision, created) "
        "WHERE seconds_load > 0"
    )
    db.execute("CREATE INDEX failures_exit_code ON failures (exit_code)")


def m018_regrets(db: Database) -> None:
    """How much better the best of the other functions did on a routed picture's prompt."""
    db.execute(
        """
        CREATE VIEW regrets AS
        SELECT mine.id AS id, mine.prompt AS prompt, mine.executed AS function,
            best.executed AS better_function, mine.metric AS metric, mine.scorer AS scorer,
            mine.measured_quality AS measured_quality,
            max(0.0, MAX(best.mean) - mine.measured_quality) AS regret
        FROM repeated_prompts
        JOIN generations AS mine ON mine.prompt_id = repeated_prompts.prompt_id
        JOIN (
            SELECT prompt_id, executed, scores.metric AS metric, scores.scorer AS scorer,
                AVG(CASE WHEN higher_is_better THEN value ELSE -value END) AS mean
            FROM generations JOIN scores ON generation = generations.id
            WHERE prompt_id IN (SELECT prompt_id FROM repeated_prompts)
            GROUP BY prompt_id, executed, scores.metric, scores.scorer
        ) AS best ON best.prompt_id = mine.prompt_id AND best.executed <> mine.executed
            AND best.metric = mine.metric AND best.scorer = mine.scorer
        WHERE mine.policy <> 'pinned' AND mine.measured_quality IS NOT NULL
        GROUP BY mine.id
        """
    )


def m019_votes(db: Database) -> None:
    """Which of two pictures of a prompt a person found better; it goes when a picture does."""
    db.execute(
        """
        CREATE TABLE votes (
            id TEXT PRIMARY KEY,
            created TEXT NOT NULL,
            left_id TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
            right_id TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
            answer TEXT NOT NULL CHECK (answer IN ('left', 'right', 'tie', 'both bad'))
        )
        """
    )
    db.execute("CREATE INDEX votes_left ON votes (left_id, right_id)")
    db.execute("CREATE INDEX votes_right ON votes (right_id, left_id)")


def m020_pictures_view(db: Database) -> None:
    """The pictures that are not in the trash, a row each, for people with other tools."""
    db.execute(
        """
        CREATE VIEW pictures AS
        SELECT generations.id AS id, generations.created AS created, day,
            coalesce(sessions.name, sessions.id) AS session, prompt, negative AS negative_prompt,
            executed AS function, model, policy = 'pinned' AS pinned, router, metric,
            predicted_quality, measured_quality, width, height, steps, seed,
            seconds_load AS load_seconds, seconds_encode + seconds_denoise + seconds_decode
                AS draw_seconds, seconds_score AS score_seconds, seconds_total AS total_seconds,
            peak_memory_bytes, energy_wh, cost_usd, cost_source, load_cost_usd, rating, starred,
            image
        FROM generations JOIN sessions ON sessions.id = generations.session
        WHERE removed IS NULL
        """
    )


def m021_stage_bytes(db: Database) -> None:
    """What weights held, apart from what a load brought, and what each stage took beside them."""
    for column in ("held_bytes", "bytes_encode", "bytes_denoise", "bytes_decode"):
        db.execute(f"ALTER TABLE generations ADD COLUMN {column} INTEGER")


def m022_bench_pictures(db: Database) -> None:
    """The pictures of benchmarks, and what teaches prices of their cells.

    Prices are learnt from the newest cells of each function: they are found without looking at
    all, imported tables least.
    """
    for column in (
        "image TEXT",
        "image_bytes INTEGER",
        "width INTEGER",
        "height INTEGER",
        "seconds_load REAL",
        "seconds_encode REAL",
        "seconds_denoise REAL",
        "seconds_decode REAL",
        "seconds_score REAL",
        "load_bytes INTEGER",
        "precision TEXT",
    ):
        db.execute(f"ALTER TABLE bench_cells ADD COLUMN {column}")
    for name, where in (
        ("measured", "seconds_denoise IS NOT NULL"),
        ("loads", "seconds_load > 0"),
        ("scored", "seconds_score IS NOT NULL"),
    ):
        db.execute(
            f"CREATE INDEX bench_cells_{name} ON bench_cells (function, created) WHERE {where}"
        )
    db.execute("CREATE INDEX bench_cells_images ON bench_cells (image) WHERE image IS NOT NULL")


def m023_shown_pictures(db: Database) -> None:
    """What is not in the trash is counted and walked without its rows being read."""
    db.execute("CREATE INDEX generations_shown ON generations (created, id) WHERE removed IS NULL")


def m024_swaps_and_energy(db: Database) -> None:
    """What would have left the device for a candidate, and what electricity costs in money."""
    db.execute("ALTER TABLE generations ADD COLUMN energy_usd REAL")
    for column in ("evicts TEXT", "energy_wh REAL", "energy_usd REAL"):
        db.execute(f"ALTER TABLE candidates ADD COLUMN {column}")


def m025_shadows(db: Database) -> None:
    """Which routed pictures are drawn again with what was not chosen, and by which chances."""
    db.execute(
        """
        CREATE TABLE shadows (
            id TEXT PRIMARY KEY,
            created TEXT NOT NULL,
            picture TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
            function TEXT NOT NULL,
            frame INTEGER NOT NULL CHECK (frame > 0),
            functions INTEGER NOT NULL CHECK (functions > 0),
            ended TEXT
        )
        """
    )
    db.execute("CREATE UNIQUE INDEX shadows_picture ON shadows (picture)")


def m026_bench_memory(db: Database) -> None:
    """What weights and stages of a benchmark's pictures held: they teach as other pictures do."""
    for column in ("held_bytes", "bytes_encode", "bytes_denoise", "bytes_decode"):
        db.execute(f"ALTER TABLE bench_cells ADD COLUMN {column} INTEGER")
    db.execute("ALTER TABLE bench_cells ADD COLUMN energy_wh REAL")


def m027_folded_sums(db: Database) -> None:
    """Pictures are added to the kept sums some at a time, not one by one by triggers."""
    for statement in FOLDED_PICTURES:
        db.execute(statement)
    for rollup in ROLLUPS:
        for statement in rollup.statements_of_folding():
            db.execute(statement)


STEPS = (
    m001_sessions,
    m002_generations,
    m003_candidates,
    m004_scores,
    m005_search,
    m006_failures,
    m007_benches,
    m008_blocked_candidates,
    m009_pictures_from_home,
    m010_price_certainty,
    m011_start_seconds,
    m012_differences,
    m013_precision,
    m014_jobs,
    m015_foresight,
    m016_comparisons,
    m017_rollups,
    m018_regrets,
    m019_votes,
    m020_pictures_view,
    m021_stage_bytes,
    m022_bench_pictures,
    m023_shown_pictures,
    m024_swaps_and_energy,
    m025_shadows,
    m026_bench_memory,
    m027_folded_sums,
)
