//! Stores and queues as the command line names them.

use crate::{
    args::{PoolArgs, S3Args, Secret, StoreArgs},
    failure::{DoctorFailure, Failure, QueueFailure},
    terminal,
};
use queue::RabbitSettings;
use std::{path::PathBuf, time::Duration};
use store::{Location, Problem, S3Settings, Store, StoreError};

/// Opens the store for a command that writes to it.
pub(crate) async fn open_store(args: &StoreArgs) -> Result<Store, Failure> {
    Ok(Store::open(&args.store, &s3_settings(&args.s3)).await?)
}

/// Opens the store for a command that only reads, and makes nothing.
pub(crate) async fn existing_store(args: &StoreArgs) -> Result<Store, Failure> {
    existing_store_at(&args.store, &args.s3).await
}

/// Opens the store at `location` to read.
pub(crate) async fn existing_store_at(location: &Location, s3: &S3Args) -> Result<Store, Failure> {
    Ok(Store::existing(location, &s3_settings(s3)).await?)
}

/// Refuses a store that ignores the condition of a write, unless that `is_accepted`: in such a store, a later result
/// may replace the first one.
pub(crate) async fn check_conditions(store: &Store, is_accepted: bool) -> Result<(), Failure> {
    match store.is_conditional().await {
        Ok(true) => Ok(()),
        Ok(false) if is_accepted => {
            terminal::note(format_args!(
                "warning: the store {} ignores the condition of a write; results may be replaced by those of another process",
                store.place()
            ));
            Ok(())
        }
        Ok(false) => Err(Failure::Doctor(DoctorFailure::UnsoundStore { place: store.place(), is_conditional: false })),
        // Credentials may allow the needed objects, and not the objects of the check.
        Err(StoreError::Backend(error)) if error.problem == Problem::Permission => {
            let error = jobs::error_line(&error);
            terminal::note(format_args!(
                "warning: cannot look whether the store honours the condition of a write: {error}"
            ));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// How to reach S3.
pub(crate) fn s3_settings(args: &S3Args) -> S3Settings {
    S3Settings { endpoint: args.s3_endpoint.clone(), ca: args.ca.clone(), ..S3Settings::default() }
}

/// Reads the broker's address and what belongs to it.
pub(crate) fn rabbit_settings(
    url: &Secret,
    pool: &PoolArgs,
    ca: Option<&PathBuf>,
    outage_limit: Option<Duration>,
) -> Result<RabbitSettings, Failure> {
    // Neither error repeats the password.
    let address = url.reveal().parse().map_err(|source| Failure::Queue(QueueFailure::Address { source }))?;
    let mut settings = RabbitSettings::new(address);
    settings.pool = pool.pool.parse().map_err(|source| Failure::Queue(QueueFailure::Pool { source }))?;
    settings.ca_file = ca.cloned();
    if let Some(limit) = outage_limit {
        settings.outage_limit = limit;
    }
    Ok(settings)
}
