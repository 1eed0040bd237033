use super::super::tests::{COLUMNS, FORMATS, ROWS, is_near, numbers, vector};
use super::*;
use candle_core::{DType, Device};

#[test]
fn an_rms_norm_is_what_its_steps_make() {
    for (format, within) in FORMATS {
        let rows = (numbers((ROWS, COLUMNS), 0.3) + 1.0).unwrap().to_dtype(format).unwrap();
        let expected = steps::rms_norm(&rows, &vector(1.0), 1e-5).unwrap();
        is_near(&rms_norm(&rows, &vector(1.0), 1e-5).unwrap(), &expected, within.max(1e-5));
    }
}

#[test]
fn a_row_whose_squares_overflow_has_no_norm() {
    let rows = Tensor::new(&[[1e25f32, 1.0], [1.0, 2.0]], &Device::Cpu).unwrap();
    let weight = Tensor::new(&[1.0f32, 1.0], &Device::Cpu).unwrap();
    for format in [DType::F32, DType::BF16] {
        let rows = rows.to_dtype(format).unwrap();
        let added = |made: Result<Added>| made.map(|added| added.normed);
        for normed in [
            rms_norm(&rows, &weight, 1e-5),
            steps::rms_norm(&rows, &weight, 1e-5),
            added(add_rms_norm(&rows, &rows, &weight, 1e-5)),
            added(steps::add_rms_norm(&rows, &rows, &weight, 1e-5)),
            super::super::norm(&rows.to_dtype(DType::F32).unwrap(), &weight, &weight, 1e-5, format),
            steps::norm(&rows.to_dtype(DType::F32).unwrap(), &weight, &weight, 1e-5, format),
        ] {
            let normed: Vec<Vec<f32>> = normed.unwrap().to_dtype(DType::F32).unwrap().to_vec2().unwrap();
            assert!(normed[0].iter().all(|x| x.is_nan()) && normed[1].iter().all(|x| x.is_finite()), "{normed:?}");
        }
    }
}

#[test]
fn a_stream_and_its_norm_are_what_their_steps_make() {
    for (format, within) in FORMATS {
        let stream = numbers((ROWS, COLUMNS), 0.3).to_dtype(format).unwrap();
        let update = numbers((ROWS, COLUMNS), 2.0).to_dtype(format).unwrap();
        let expected = steps::add_rms_norm(&stream, &update, &vector(1.0), 1e-5).unwrap();
        let found = add_rms_norm(&stream, &update, &vector(1.0), 1e-5).unwrap();
        is_near(&found.sum, &expected.sum, 0.0);
        is_near(&found.normed, &expected.normed, within.max(1e-5));
    }
}

#[test]
fn a_gated_product_is_what_its_steps_make() {
    for (format, within) in FORMATS {
        let gate = (numbers((ROWS, COLUMNS), 0.3) * 4.0).unwrap().to_dtype(format).unwrap();
        let up = numbers((ROWS, COLUMNS), 2.0).to_dtype(format).unwrap();
        is_near(&gated(&gate, &up).unwrap(), &steps::gated(&gate, &up).unwrap(), within);
    }
}

/// Two texts, three heads, and as many queries as there are tokens.
fn scores(queries: usize) -> Tensor {
    let rows = numbers((2 * 3 * queries, COLUMNS), 0.3);
    (rows * 5.0).unwrap().reshape((2, 3, queries, COLUMNS)).unwrap()
}

#[test]
fn masked_shares_are_what_their_steps_make_and_what_is_hidden_has_none() {
    let hidden = |seen: usize| (0..COLUMNS).map(move |token| if token < seen { 0.0 } else { f32::NEG_INFINITY });
    let causal: Vec<f32> = (1..=ROWS).flat_map(hidden).collect();
    let causal = Tensor::from_vec(causal, (ROWS, COLUMNS), &Device::Cpu).unwrap();
    let ends: Vec<f32> = [9, 20].into_iter().flat_map(hidden).collect();
    let ends = Tensor::from_vec(ends, (2, 1, 1, COLUMNS), &Device::Cpu).unwrap();
    for (format, within) in FORMATS {
        for (scores, mask) in [(scores(ROWS), &causal), (scores(1), &ends)] {
            let scores = scores.to_dtype(format).unwrap();
            let expected = steps::masked_shares(&scores, mask, 0.125).unwrap();
            let found = masked_shares(&scores, mask, 0.125).unwrap();
            is_near(&found, &expected, within);
            let zeros = |shares: &Tensor| {
                let shares: Vec<f32> = shares.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
                shares.iter().map(|share| *share == 0.0).collect::<Vec<_>>()
            };
            assert_eq!(zeros(&found), zeros(&expected));
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let rows = numbers((ROWS, COLUMNS), 0.3);
    let refused = |made: Result<Tensor>| made.unwrap_err().to_string();
    let other = numbers((2, COLUMNS), 0.0);
    assert!(refused(gated(&rows, &other)).contains("numbers of [7, 50] meet numbers of [2, 50]"));
    assert!(refused(gated(&rows, &rows.to_dtype(DType::BF16).unwrap())).contains("two formats: F32 and BF16"));
    assert!(refused(rms_norm(&rows, &numbers((1, 3), 0.0), 1e-5)).contains("a vector of 3"));
    assert!(refused(masked_shares(&scores(4), &rows, 1.0)).contains("meet a mask of [7, 50]"));
    let added = add_rms_norm(&rows, &other, &vector(1.0), 1e-5).map(|added| added.sum);
    assert!(refused(added).contains("numbers of [7, 50] meet numbers of [2, 50]"));
}
