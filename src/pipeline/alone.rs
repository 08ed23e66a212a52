//! A build without the feature `cluster`: nothing is spread, and types without a value stand for what would do it.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;

use polars::prelude::DataFrame;

use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::pca::{Pca, PcaParams};
use crate::record::ClusterRecord;
use crate::store::{Receipt, Shard, Store};

use super::gather::FeatureStats;
use super::network::Network;
use super::{Engine, Params};

pub(super) struct Spread<'a>(Infallible, PhantomData<&'a Store>);

impl<'a> Spread<'a> {
    pub fn open(
        params: &Params,
        _: &'a Store,
        _: &Network,
        _: &str,
        _: &'a AtomicBool,
    ) -> Result<Option<Self>> {
        match &params.engine {
            Engine::Local => Ok(None),
            engine => Err(Error::Invalid(format!(
                "this build has no engine `{engine}`; build it with `--features cluster`"
            ))),
        }
    }

    pub fn describe(
        &mut self,
        _: &[Shard],
        _: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<Receipt>> {
        match self.0 {}
    }

    pub fn record(self) -> ClusterRecord {
        match self.0 {}
    }
}

pub(super) struct Remote<'a, 'b>(Infallible, PhantomData<&'b mut Spread<'a>>);

impl<'a, 'b> Remote<'a, 'b> {
    pub fn new(spread: &'b mut Spread<'a>, _: &[Shard], _: &[Receipt]) -> Result<Self> {
        match spread.0 {}
    }

    pub fn n_rows(&self) -> usize {
        match self.0 {}
    }

    pub fn n_cols(&self) -> usize {
        match self.0 {}
    }

    pub fn survey(&mut self) -> Result<(DataFrame, FeatureStats)> {
        match self.0 {}
    }

    pub fn fit(&mut self, _: &PcaParams, _: &mut dyn FnMut(usize, usize) -> bool) -> Result<Pca> {
        match self.0 {}
    }

    pub fn scores(&mut self, _: &Pca) -> Result<(Matrix, Vec<f64>)> {
        match self.0 {}
    }

    pub fn clear(&self) {
        match self.0 {}
    }
}
