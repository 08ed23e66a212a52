mod foreign;

use super::*;

fn written(mut frame: DataFrame, compression: ParquetCompression, rows: Option<usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(compression)
        .with_row_group_size(rows)
        .finish(&mut frame)
        .unwrap();
    bytes
}

fn zstd(frame: DataFrame) -> Vec<u8> {
    written(frame, ParquetCompression::Zstd(None), None)
}

/// Columns of all kinds that a run writes, some with nulls, one with a value for all.
fn frame(n: usize) -> DataFrame {
    let keys: Vec<_> = (0..n).map(|i| format!("Apple/{i}.jpg")).collect();
    let etags: Vec<_> = (0..n)
        .map(|i| (i % 3 == 0).then(|| format!("{i:064}")))
        .collect();
    df!(
        "key" => keys,
        "label" => vec!["Apple"; n],
        "etag" => etags,
        "version_id" => vec![None::<&str>; n],
        "size_bytes" => (0..n as u64).collect::<Vec<_>>(),
        "mean" => (0..n).map(|i| (i as f64).sin()).collect::<Vec<_>>(),
        "pc1" => (0..n).map(|i| (i as f32).cos()).collect::<Vec<_>>(),
        "zero" => vec![0.0_f32; n],
        "trust" => (0..n).map(|i| (i % 2 == 0).then_some(i as f32)).collect::<Vec<_>>(),
    )
    .unwrap()
}

fn refused(bytes: Vec<u8>) -> String {
    read(bytes, "").unwrap_err()
}

#[test]
fn what_a_run_writes_is_read() {
    for n in [0, 1, 7, 5000] {
        let frame = frame(n);
        let plain = ParquetCompression::Uncompressed;
        for bytes in [
            zstd(frame.clone()),
            written(frame.clone(), plain, None),
            written(frame.clone(), ParquetCompression::Zstd(None), Some(999)),
        ] {
            assert!(read(bytes, "").unwrap().0.equals_missing(&frame), "{n}");
        }
    }
}

#[test]
fn what_would_take_too_much_is_refused_before_it_is_decoded() {
    let long = "k".repeat(1000);
    let rows = zstd(df!("key" => vec![long.as_str(); 300_000]).unwrap());
    assert!(rows.len() < 100_000, "{}", rows.len());
    assert!(refused(rows).contains("300000 rows, more than fit"));
    let texts = zstd(df!("key" => vec![long.as_str(); 90_000]).unwrap());
    assert!(refused(texts).contains("its texts have more than"));
    let wide: Vec<_> = (0..250)
        .map(|i| Column::new(format!("pc{i}").into(), vec![0.0_f32; 99_000]))
        .collect();
    let wide = zstd(DataFrame::new(99_000, wide).unwrap());
    assert!(refused(wide).contains("bytes of memory"));
}

/// The smallest rows that a run of a million images has: two components, whose files hold little but digits that nobody can
/// foretell. Rows of one value each are more than fit, whatever lies between the pages.
#[test]
fn a_million_images_fit_and_padding_makes_no_room() {
    let n = 1_000_000_u32;
    let noise = |of: u32| -> Vec<f32> {
        let bits = (0..n).map(|i| (i ^ (of << 20)).wrapping_mul(0x9e37_79b9).rotate_left(of) >> 9);
        bits.map(|bits| bits as f32 * 1e-3).collect()
    };
    let keys: Vec<_> = (0..n).map(|i| format!("Apple/{i:07}.jpg")).collect();
    let columns = df!(
        "key" => keys,
        "label" => vec!["Apple"; n as usize],
        "pc1" => noise(1),
        "pc2" => noise(2),
        "outlier_score" => noise(3),
        "tsne_x" => noise(4),
        "tsne_y" => noise(5),
    );
    let bytes = zstd(columns.unwrap());
    assert_eq!(read(bytes, "").unwrap().0.height(), n as usize);
    let zeros = zstd(df!("pc1" => vec![0.0_f32; 400_000]).unwrap());
    let end = zeros.len() - 8;
    let length = u32::from_le_bytes(zeros[end..end + 4].try_into().unwrap()) as usize;
    let padding = vec![0; 8 << 20];
    let padded = [&zeros[..end - length], &padding, &zeros[end - length..]].concat();
    assert!(refused(padded).contains("400000 rows, more than fit"));
}

/// A head of a page may say that two gigabytes come out of it, a footer that it lists a billion columns.
#[test]
fn no_number_in_a_file_is_believed() {
    let bytes = zstd(frame(100));
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let mut lists = bytes[..end - length].to_vec();
    // Field 2, a list of 2^31 - 1 structs.
    lists.extend(b"\x29\xfc\xff\xff\xff\xff\x07\x00");
    lists.extend(8_u32.to_le_bytes());
    lists.extend(b"PAR1");
    assert!(refused(lists).contains("its footer is damaged"));
    for length in [0, 4, u32::MAX] {
        let mut other = bytes.clone();
        other[end..end + 4].copy_from_slice(&length.to_le_bytes());
        assert!(refused(other).contains("its footer is damaged"));
    }
    // The head of the first page: its kind, then its size when decompressed, here in four bytes.
    let noise =
        (0..190_000_u64).map(|i| f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2));
    let mut noise = df!("mean" => noise.collect::<Vec<_>>()).unwrap();
    let mut page = Vec::new();
    ParquetWriter::new(&mut page)
        .with_data_page_size(Some(8 << 20))
        .finish(&mut noise)
        .unwrap();
    assert!(read(page.clone(), "").is_ok());
    assert!(page[7..10].iter().all(|byte| *byte > 127) && page[10] < 128);
    page[7..11].copy_from_slice(b"\xfe\xff\xff\x7f");
    assert!(refused(page).contains("bytes of memory"));
}

/// Every byte of a file in turn becomes another one: what comes is an error, or a frame, and no panic.
#[test]
fn no_byte_of_a_file_breaks_the_reader() {
    let bytes = zstd(frame(40));
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at * 5 % 8);
        let _ = read(other, "");
    }
}

#[test]
fn a_column_with_fewer_values_than_rows_is_damage() {
    // Found by fuzzing: the indices of a dictionary have 34 bits, and the decoder stops at them.
    let bytes = include_bytes!("../../../tests/fixtures/short-column.parquet");
    assert!(read(bytes.to_vec(), "").is_err());
}
