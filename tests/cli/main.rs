//! The program from outside: the real binary, its own directory for each test, a fixed clock, no network.

mod bad_input;
mod breakdown;
mod campaign;
mod correspondents;
mod damaged;
mod doctor;
mod faults;
mod forget;
mod history;
mod hostile;
mod import;
mod journal;
mod own_letters;
mod page;
mod peer;
mod policy;
mod replies;
mod report;
mod rotation;
mod samples;
mod sandbox;
mod siblings;
mod store;
mod transports;
mod trend;
mod whatif;
