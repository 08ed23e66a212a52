//! What a worker keeps from task to task: what it read, opened and loaded for the last one serves the next.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fruits::features::{DescriptorName, Precision};
use fruits::pca::Factor;
use fruits::pipeline::descriptor::Chosen;
use fruits::place::{Address, Place};
use fruits::resize::Filter;
use fruits::s3::{Connection, Prefix};
use fruits::source::Source;
use fruits::storage::digest;
use fruits::storage::temporary::{self, TempDir};
use fruits::store::Store;
use fruits::{Error, Result, atomic};

use crate::exchange::{Exchange, MOST_BYTES};
use crate::keys::Key;
use crate::piece::Piece;
use crate::scope::Scope;
use crate::task::{Order, Reach, SCHEMA, Ticket, model_key};

/// Orders, factors and connections kept for the tasks to come: those of two passes that overlap, or of two runs.
const KEPT: usize = 2;

/// All of it.
pub struct Kept {
    scope: Scope,
    /// By run and address: what a run copied here goes with it.
    places: Mutex<Vec<(String, Arc<Store>)>>,
    connections: Mutex<Vec<(Reach, Connection)>>,
    orders: Mutex<Vec<(String, Arc<Order>)>>,
    factors: Mutex<Vec<(String, Arc<Factor>)>>,
    /// A recipe that this worker would follow to the same numbers.
    recipe: Mutex<Option<String>>,
    /// By recipe.
    descriptor: Mutex<Option<(String, Arc<Chosen>)>>,
}

impl Kept {
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            places: Mutex::default(),
            connections: Mutex::default(),
            orders: Mutex::default(),
            factors: Mutex::default(),
            recipe: Mutex::default(),
            descriptor: Mutex::default(),
        }
    }

    /// The ticket in a text, the cache it names and its order.
    pub fn open(&self, text: &str) -> Result<(Ticket, Arc<Store>, Arc<Order>)> {
        let ticket = Ticket::open(text, &self.scope.secret)?;
        let store = self.store(&ticket)?;
        let kept = find(&lock(&self.orders), ticket.order.as_str());
        if let Some(order) = kept {
            return Ok((ticket, store, order));
        }
        let cache = Exchange::of(&store);
        let read = cache.get(&Order::key(&ticket.order)?, ticket.order_bytes);
        let bytes = read.map_err(refused)?.ok_or_else(|| {
            Error::Invalid(format!(
                "there is no order in the cache `{}`; it must be a bucket, or a folder that all machines share under one path",
                ticket.cache
            ))
        })?;
        if digest::of(&bytes) != ticket.order.as_str() {
            return Err(Error::Invalid(format!(
                "the order in the cache `{}` is not the one that the driver wrote; see who else may write there",
                ticket.cache
            )));
        }
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|e| Error::Invalid(format!("the order is no JSON: {e}")))?;
        let theirs = value["build"].as_str().unwrap_or_default();
        if value["schema"] != SCHEMA || theirs != Chosen::build() {
            return Err(Error::Invalid(format!(
                "this worker is another build than the driver ({} here, {theirs} there); start workers from the same \
                 program",
                Chosen::build()
            )));
        }
        let order: Order = serde_json::from_value(value)
            .map_err(|e| Error::Invalid(format!("the order cannot be read: {e}")))?;
        self.follows(cache, &order)?;
        let order = Arc::new(order);
        keep(&mut lock(&self.orders), ticket.order.as_str(), &order);
        Ok((ticket, store, order))
    }

    fn store(&self, ticket: &Ticket) -> Result<Arc<Store>> {
        let key = format!("{} {}", ticket.run, ticket.cache);
        if let Some(store) = find(&lock(&self.places), &key) {
            return Ok(store);
        }
        let place = match self.scope.cache_of(ticket)? {
            Address::Folder(folder) => Place::Folder(folder),
            Address::Bucket { name, prefix } => {
                Place::Bucket(Prefix::new(&self.connection(ticket)?, &name, &prefix)?)
            }
        };
        let store = Arc::new(Store::open(Some(&place))?);
        keep(&mut lock(&self.places), &key, &store);
        Ok(store)
    }

    pub fn source(&self, ticket: &Ticket, input: &str) -> Result<Source> {
        match self.scope.input_of(input)? {
            Address::Folder(folder) => Source::folder(folder).map_err(|e| {
                Error::Invalid(format!(
                    "{}; all machines must see the images, in a bucket or under one path",
                    e
                ))
            }),
            Address::Bucket { name, prefix } => {
                let connection = self.connection(ticket)?;
                Ok(Source::Bucket(Prefix::new(&connection, &name, &prefix)?))
            }
        }
    }

    fn connection(&self, ticket: &Ticket) -> Result<Connection> {
        let Some(reach) = &ticket.s3 else {
            return Err(Error::Invalid(
                "the task names a bucket and not how to reach it".to_owned(),
            ));
        };
        self.scope.check_server(reach)?;
        let mut connections = lock(&self.connections);
        if let Some((_, connection)) = connections.iter().find(|(known, _)| known == reach) {
            return Ok(connection.clone());
        }
        let connection = Connection::open(&reach.params())?;
        if connections.len() >= KEPT {
            connections.remove(0);
        }
        connections.push((reach.clone(), connection.clone()));
        Ok(connection)
    }

    /// The descriptor of an order, loaded once.
    pub fn descriptor(
        &self,
        cache: Exchange,
        order: &Order,
        threads: usize,
    ) -> Result<Arc<Chosen>> {
        let mut kept = lock(&self.descriptor);
        if let Some((recipe, descriptor)) = kept.as_ref()
            && *recipe == order.recipe
        {
            return Ok(Arc::clone(descriptor));
        }
        let loaded = Arc::new(descriptor_of(cache, order, threads)?);
        loaded.hold().load()?;
        *kept = Some((order.recipe.clone(), Arc::clone(&loaded)));
        Ok(loaded)
    }

    /// Refuses an order whose numbers this worker would not give.
    fn follows(&self, cache: Exchange, order: &Order) -> Result<()> {
        let mut known = lock(&self.recipe);
        if known.as_ref() == Some(&order.recipe) {
            return Ok(());
        }
        let ours = descriptor_of(cache, order, 1)?.recipe(Filter::from_str(&order.filter)?);
        if ours != order.recipe {
            return Err(Error::Invalid(format!(
                "this worker would compute other descriptors than the driver expects; take one kind of machine for all, \
                 and the same set-up: here `{ours}`, there `{}`",
                order.recipe
            )));
        }
        *known = Some(ours);
        Ok(())
    }

    pub fn factor(&self, cache: Exchange, key: &Key) -> Result<Arc<Factor>> {
        let mut factors = lock(&self.factors);
        if let Some(factor) = find(&factors, key.as_str()) {
            return Ok(factor);
        }
        let factor = Arc::new(Factor::read(&Piece::read(cache, key)?)?);
        keep(&mut factors, key.as_str(), &factor);
        Ok(factor)
    }
}

/// The descriptor that an order names, not loaded yet.
fn descriptor_of(cache: Exchange, order: &Order, threads: usize) -> Result<Chosen> {
    let copy = order.model.as_ref().map(|key| copy_of(cache, key));
    let copy = copy.transpose()?;
    let precision = Precision::from_str(&order.precision)?;
    let model = copy.as_ref().map(|(_, path)| path.as_path());
    let name = DescriptorName::from_str(&order.descriptor)?;
    Chosen::open(name, precision, model, threads)
}

/// What is no file as a driver writes it is refused, and no later try takes it.
fn refused(error: Error) -> Error {
    match error {
        Error::Storage { path, source, .. } if source.kind() == ErrorKind::Other => {
            Error::Invalid(format!("`{}`: {source}", path.display()))
        }
        other => other,
    }
}

/// A model of the user's own, as a file here. Its key tells its content: what lies there may have been exchanged since the
/// last look.
fn copy_of(cache: Exchange, key: &Key) -> Result<(TempDir, PathBuf)> {
    let bytes = cache
        .get(key, MOST_BYTES)
        .map_err(refused)?
        .ok_or_else(|| Error::Invalid(format!("the model `{key}` is not in the cache")))?;
    if model_key(&digest::of(&bytes))? != *key {
        return Err(Error::Invalid(format!(
            "the model `{key}` in the cache is not the one that the driver wrote; see who else may write there"
        )));
    }
    written(&bytes, "model.onnx")
}

/// Bytes as a file, in a folder that goes away with what is given first.
pub fn written(bytes: &[u8], name: &str) -> Result<(TempDir, PathBuf)> {
    let folder = temporary::folder("worker")?;
    let path = folder.path().join(name);
    atomic::write(&path, bytes)?;
    Ok((folder, path))
}

fn find<T>(kept: &[(String, Arc<T>)], key: &str) -> Option<Arc<T>> {
    let found = kept.iter().find(|(k, _)| k == key);
    found.map(|(_, value)| Arc::clone(value))
}

/// Keeps a value and lets the oldest go.
fn keep<T>(kept: &mut Vec<(String, Arc<T>)>, key: &str, value: &Arc<T>) {
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push((key.to_owned(), Arc::clone(value)));
}

/// What is kept is whole even if a task that held it panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use fruits::s3::S3Params;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_model_is_the_one_that_its_key_names() {
        let folder = temporary::folder("test").unwrap();
        let place = Place::Folder(folder.path().join("cache"));
        let store = Store::open(Some(&place)).unwrap();
        let cache = Exchange::of(&store);
        let key = model_key(&digest::of("a model")).unwrap();
        assert!(copy_of(cache, &key).is_err());
        cache.put(&key, b"a model".to_vec()).unwrap();
        let (_folder, path) = copy_of(cache, &key).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"a model");
        // Between the look at the recipe and the load, somebody exchanges it.
        cache.put(&key, b"another".to_vec()).unwrap();
        let said = copy_of(cache, &key).unwrap_err().to_string();
        assert!(said.contains("not the one that the driver wrote"), "{said}");
        let nameless = Key::new("cluster/models/own.onnx").unwrap();
        cache.put(&nameless, b"a model".to_vec()).unwrap();
        assert!(copy_of(cache, &nameless).is_err());
    }

    #[test]
    fn few_connections_are_kept() {
        let kept = Kept::new(Scope {
            cache: "s3://ours/cache".parse().unwrap(),
            input: "s3://ours/in".parse().unwrap(),
            endpoint_url: None,
            secret: Secret::of_this_process().unwrap(),
        });
        let params = S3Params {
            no_sign_request: true,
            ..S3Params::default()
        };
        for region in [
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "eu-west-3",
            "eu-west-1",
        ] {
            let ticket = Ticket {
                cache: "s3://ours/cache".to_owned(),
                s3: Some(Reach::of(&params, region)),
                run: "1-a".to_owned(),
                order: digest::of("").try_into().unwrap(),
                order_bytes: 0,
                index: 0,
            };
            assert_eq!(kept.connection(&ticket).unwrap().region(), region);
            assert!(lock(&kept.connections).len() <= KEPT);
        }
    }
}
