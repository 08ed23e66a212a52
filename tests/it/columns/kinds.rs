//! What a step takes of a column, and columns that are something else.

use polars::prelude::*;

use super::{D, N, waves};

/// The row that is spoilt.
const ROW: usize = 3;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Takes {
    /// Names of rows, each another.
    Keys,
    Names,
    Strings,
    Bytes,
    Sizes,
    Numbers,
    Vectors,
}

/// A column of each type that polars has here, of values that look like what is wanted.
pub fn of_each_type(name: &str) -> Vec<Column> {
    let name = || name.into();
    let numbers = Column::new(name(), (0..N as i32).collect::<Vec<_>>());
    let vectors = |dtype: &DataType| {
        let values = Series::new(name(), (0..(N * D) as i32).collect::<Vec<_>>());
        let shape = [
            ReshapeDimension::new(N as i64),
            ReshapeDimension::new(D as i64),
        ];
        let values = values.cast(dtype).expect("a cast");
        values.reshape_array(&shape).expect("arrays").into_column()
    };
    let list = |arrays: &Column| {
        let DataType::Array(inner, _) = arrays.dtype() else {
            panic!("no array")
        };
        arrays.cast(&DataType::List(inner.clone())).expect("lists")
    };
    let types = [
        DataType::Int32,
        DataType::Int64,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::String,
    ];
    let mut columns: Vec<Column> = types
        .iter()
        .map(|t| numbers.cast(t).expect("a cast"))
        .collect();
    columns.push(Column::new(name(), vec![true; N]));
    columns.push(Column::full_null(name(), N, &DataType::Null));
    let bytes = (0..N).map(|i| vec![i as u8; 4 * D]);
    columns.push(BinaryChunked::from_iter_values(name(), bytes).into_column());
    for inner in [DataType::Float32, DataType::Float64, DataType::Int64] {
        let arrays = vectors(&inner);
        columns.push(list(&arrays));
        columns.push(arrays);
    }
    columns
}

impl Takes {
    pub fn is_type(self, dtype: &DataType) -> bool {
        let is_of_floats =
            |inner: &DataType| matches!(inner, DataType::Float32 | DataType::Float64);
        match self {
            Self::Keys | Self::Names => *dtype == DataType::String || dtype.is_integer(),
            Self::Strings => *dtype == DataType::String,
            Self::Bytes => *dtype == DataType::Binary,
            Self::Sizes => dtype.is_integer(),
            Self::Numbers => dtype.is_primitive_numeric(),
            Self::Vectors => match dtype {
                DataType::Array(inner, _) | DataType::List(inner) => is_of_floats(inner),
                dtype => *dtype == DataType::Binary,
            },
        }
    }

    /// Columns of the right type with something wrong in them.
    pub fn spoilt(self, good: &Column) -> Vec<Column> {
        let name = good.name().clone();
        let rows: Vec<Option<IdxSize>> = (0..N as IdxSize)
            .map(|i| (i != ROW as IdxSize).then_some(i))
            .collect();
        let with_null = good.take(&IdxCa::from_iter_options("rows".into(), rows.into_iter()));
        let mut spoilt = vec![with_null.expect("a column with a null")];
        let numbers = |value: f32| {
            let mut values = waves(1.0);
            values[ROW] = value;
            Column::new(name.clone(), values)
        };
        let vectors = |value: Option<f32>| {
            let mut values: Vec<Option<f32>> = (0..N * D).map(|i| Some((i as f32).sin())).collect();
            values[ROW * D] = value;
            let shape = [
                ReshapeDimension::new(N as i64),
                ReshapeDimension::new(D as i64),
            ];
            let values = Series::new(name.clone(), values).reshape_array(&shape);
            values.expect("arrays").into_column()
        };
        match self {
            Self::Keys => {
                let twice = (0..N).map(|i| if i == ROW { 0 } else { i as i64 });
                spoilt.push(Column::new(name.clone(), twice.collect::<Vec<_>>()));
            }
            Self::Sizes => spoilt.push(Column::new(name.clone(), vec![-1_i64; N])),
            Self::Numbers => {
                spoilt.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(numbers))
            }
            Self::Vectors => {
                spoilt.extend([Some(f32::NAN), Some(f32::INFINITY), None].map(vectors));
                let rows = |len: &dyn Fn(usize) -> usize| {
                    let rows = (0..N).map(|i| Series::new("".into(), vec![1.0_f32; len(i)]));
                    Column::new(name.clone(), rows.collect::<Vec<_>>())
                };
                spoilt.push(rows(&|i| if i == ROW { D + 1 } else { D }));
                spoilt.push(rows(&|_| 0));
                let bytes = |len: &dyn Fn(usize) -> usize| {
                    let rows = (0..N).map(|i| vec![i as u8; len(i)]);
                    BinaryChunked::from_iter_values(name.clone(), rows).into_column()
                };
                spoilt.push(bytes(&|i| if i == ROW { 5 } else { 4 * D }));
                spoilt.push(bytes(&|i| if i == ROW { 4 } else { 4 * D }));
                spoilt.push(bytes(&|_| 0));
            }
            Self::Names | Self::Strings | Self::Bytes => {}
        }
        spoilt
    }
}
