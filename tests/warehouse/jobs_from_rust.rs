//! Every job from another program, through the public interface alone.

use std::sync::Mutex;
use std::time::Duration;

use sparkify::config::{Location, RunConfig, S3Options};
use sparkify::jobs::{
    CleanJob, CompletedRun, ConnectionConfig, ConnectionFlags, CreateTablesJob, ExistingTables,
    IamRole, LoadJob, LoadTarget, QueryJob, QueryParams, RejectsJob, RunJob, SAVED_QUERIES,
    WarehouseConfig,
};
use sparkify::observer::{Observer, WarningCollector};
use sparkify::report::RejectGroupKey;
use tempfile::TempDir;
use testkit::postgres_server::shared_server;

/// Records the names of the phases.
#[derive(Default)]
struct PhaseNames(Mutex<Vec<String>>);

impl Observer for PhaseNames {
    fn start_phase(&self, name: &str, _: Option<u64>) {
        self.0.lock().unwrap().push(name.to_owned());
    }
}

fn fixture(name: &str) -> Location {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/").to_owned() + name;
    Location::parse(path.as_ref()).unwrap()
}

#[test]
fn every_job_runs_from_another_program() {
    let database = shared_server().create_database();
    let url = database.url();
    let flags = ConnectionFlags {
        url: Some(&url),
        ..ConnectionFlags::default()
    };
    let env = |name: &str| (name == "PGPASSWORD").then(|| database.password.clone());
    let connection = ConnectionConfig::resolve(flags, None, env, &mut Vec::new());
    let warehouse = WarehouseConfig {
        connection: connection.unwrap().unwrap(),
        iam_role: IamRole::default(),
    };
    let target = LoadTarget {
        warehouse: warehouse.clone(),
        full_refresh: false,
    };
    let folder = TempDir::new().unwrap();
    let out = Location::parse(folder.path().join("dataset").as_os_str()).unwrap();
    let observer = WarningCollector::default();

    let create = CreateTablesJob {
        warehouse: warehouse.clone(),
        existing: ExistingTables::Keep,
        views: false,
    };
    assert_eq!(create.execute(None, &observer).unwrap().created, 10);

    let config = RunConfig::new(fixture("song_data"), fixture("log_data"), out.clone());
    let run = RunJob {
        config,
        load: Some(target.clone()),
    };
    let phases = PhaseNames::default();
    let CompletedRun::Published(completed) = run.execute(&phases).unwrap() else {
        panic!("nothing was published");
    };
    let songplays = completed.report.tables["songplays"].rows;
    assert!(songplays > 0);
    assert_eq!(completed.load.unwrap().tables["songplays"].added, songplays);
    assert_eq!(completed.location, out.join(&completed.report.run));
    let phases = phases.0.into_inner().unwrap();
    assert_eq!(phases, ["songs", "logs", "load", "merge"]);

    let load = LoadJob {
        from: out.clone(),
        s3: S3Options::default(),
        target,
        allow_empty: false,
    };
    let repeated = load.execute(&observer).unwrap();
    assert_eq!(repeated.tables["songplays"].added, 0);

    let top_songs = SAVED_QUERIES.iter().find(|query| query.name == "top-songs");
    let query = QueryJob {
        connection: warehouse.connection,
        query: *top_songs.unwrap(),
        params: QueryParams {
            limit: 3,
            ..QueryParams::default()
        },
    };
    let answer = query.execute().unwrap();
    let result = answer.result;
    assert_eq!(answer.coverage.in_range, repeated.tables["songplays"].rows);
    assert_eq!(result.rows.len(), 3);
    assert!(result.columns.iter().any(|column| column.is_number));

    let rejects = RejectsJob {
        from: out.clone(),
        s3: S3Options::default(),
        by: vec![RejectGroupKey::Reason],
    };
    let report = rejects.execute().unwrap();
    assert_eq!(
        (report.run, report.total.rejects),
        (completed.report.run, 0)
    );

    let clean = CleanJob {
        out,
        s3: S3Options::default(),
        keep: 1,
        unfinished_after: Duration::from_secs(3600),
    };
    let plan = clean.plan().unwrap();
    assert_eq!((plan.keep.len(), plan.remove.len()), (1, 0));
    assert_eq!(clean.execute(plan).unwrap(), 0);
    assert_eq!(observer.warnings(), Vec::<String>::new());
}
