//! Since when a machine is away.

use crate::peer::{Agent, WITHIN, now, start};

#[tokio::test]
async fn a_machine_is_away_until_something_of_its_life_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, running) = start(dir.path()).await;
    let machine = hub.enrol_machine("m").await.unwrap();
    assert_eq!(hub.away_since(machine).unwrap(), None, "nothing was ever heard, so there is no since");

    let mut agent = Agent::connect(&hub, machine, 1, 1).await;
    agent.tell(1).await;
    assert_eq!(hub.away_since(machine).unwrap(), None);
    let before = now();
    agent.leave().await;
    let since = hub.away_since(machine).unwrap().expect("it left");
    assert!(before <= since && since <= now(), "{before:?} {since:?}");

    // A new life has told nothing yet: what happened in between is not known. Nor is it when it comes again.
    for _ in 0..2 {
        let agent = Agent::connect(&hub, machine, 2, 2).await;
        assert!(hub.away_since(machine).unwrap() >= Some(since));
        agent.leave().await;
    }
    let mut agent = Agent::connect(&hub, machine, 2, 2).await;
    agent.tell(1).await;
    assert_eq!(hub.away_since(machine).unwrap(), None);
    agent.leave().await;

    // The same process is back, and has missed nothing. Another one has, though it goes on with the same life.
    let agent = Agent::connect(&hub, machine, 2, 2).await;
    assert_eq!(hub.away_since(machine).unwrap(), None);
    agent.leave().await;
    let mut agent = Agent::connect(&hub, machine, 2, 3).await;
    assert!(hub.away_since(machine).unwrap() > Some(since));
    agent.tell(3).await;
    assert_eq!(hub.away_since(machine).unwrap(), None);
    agent.leave().await;
    let left = hub.away_since(machine).unwrap().unwrap();

    // A hub that starts anew has the records only.
    assert!(running.shutdown(WITHIN).await);
    drop(hub);
    let (hub, running) = start(dir.path()).await;
    let since = hub.away_since(machine).unwrap().expect("it is not back");
    assert!(before < since && since < left, "{since:?} is that of the last record");
    assert!(running.shutdown(WITHIN).await);
}
