use super::super::product::Finish;
use super::*;
use crate::model::Activation;
use half::bf16;
use proptest::prelude::*;

/// A product of ragged rows and columns, of an odd number of inputs.
struct Case {
    rows: usize,
    inputs: usize,
    outputs: usize,
    /// `[inputs, outputs]`, filled up to whole panels.
    panels: Vec<f32>,
    from: Vec<f32>,
    bias: Vec<f32>,
    before: Vec<f32>,
}

impl Case {
    fn new(scale: f32) -> Self {
        let number = |n: usize| scale * (n as f32 * 0.37).sin();
        let rows = 11;
        let inputs = 77;
        let outputs = 150_usize;
        Self {
            rows,
            inputs,
            outputs,
            panels: (0..inputs * outputs.next_multiple_of(PANEL)).map(number).collect(),
            from: (0..rows * inputs).map(|n| number(n + 3)).collect(),
            bias: (0..outputs).map(|n| number(n + 5)).collect(),
            before: (0..rows * outputs).map(|n| number(n + 7)).collect(),
        }
    }

    /// The product as pairs, computed by `run`.
    fn made(&self, finish: Finish, run: impl FnOnce(Product<'_, u32>)) -> Vec<f32> {
        let depth = pairs_of(self.inputs);
        let mut panels = vec![0; depth * self.outputs.next_multiple_of(PANEL)];
        let panel = self.inputs * PANEL;
        for (to, from) in panels.chunks_exact_mut(depth * PANEL).zip(self.panels.chunks_exact(panel)) {
            round_panel(to, from);
        }
        let mut from = Vec::new();
        round_rows(&mut from, &self.from, self.inputs);
        let mut to = self.before.clone();
        let bias = Some(&*self.bias);
        let outputs = self.outputs;
        run(Product { panels: &panels, depth, outputs, bias, to: &mut to, stride: outputs, from: &from, finish });
        to
    }

    /// What the definition gives: rounded operands, sums in `f32` over the inputs in their order.
    fn plain(&self) -> Vec<f32> {
        let round = |x: f32| bf16::from_f32(x).to_f32();
        let weight = |k: usize, c: usize| self.panels[c / PANEL * self.inputs * PANEL + k * PANEL + c % PANEL];
        let entry = |n: usize| {
            let row = n / self.outputs;
            let column = n % self.outputs;
            let add =
                |sum: f32, k: usize| round(self.from[row * self.inputs + k]).mul_add(round(weight(k, column)), sum);
            (0..self.inputs).fold(0.0, add) + self.bias[column]
        };
        (0..self.rows * self.outputs).map(entry).collect()
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

const FINISHES: [Finish; 5] = [
    Finish::Write,
    Finish::Add,
    Finish::Gate,
    Finish::Activate(Activation::QuickGelu),
    Finish::Activate(Activation::Gelu),
];

#[test]
fn a_product_of_pairs_is_the_sum_over_the_rounded_inputs_in_their_order() {
    let case = Case::new(1.0);
    assert_eq!(bits(&case.made(Finish::Write, |product| product.compute())), bits(&case.plain()));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_instruction_gives_the_numbers_of_the_plain_loops_to_the_last_bit() {
    let (Some(dot), Some(narrow)) = (super::super::dot::Dot::found(), pulp::x86::V3::try_new()) else {
        println!("skipped: this processor has no AVX512-BF16");
        return;
    };
    for finish in FINISHES {
        let case = Case::new(1.0);
        let plain = case.made(finish, |product| Simd::vectorize(narrow, product));
        assert_eq!(bits(&case.made(finish, |product| dot.product(product))), bits(&plain));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_instruction_makes_zero_of_the_smallest_sums_and_differs_by_no_more_than_that() {
    let (Some(dot), Some(narrow)) = (super::super::dot::Dot::found(), pulp::x86::V3::try_new()) else {
        println!("skipped: this processor has no AVX512-BF16");
        return;
    };
    // Products of these numbers lie on both sides of the smallest normal number.
    let mut case = Case::new(2e-19);
    case.bias.fill(0.0);
    let plain = case.made(Finish::Write, |product| Simd::vectorize(narrow, product));
    let found = case.made(Finish::Write, |product| dot.product(product));
    let bound = 2.0 * f32::MIN_POSITIVE * case.inputs as f32;
    assert!(plain.iter().zip(&found).all(|(plain, found)| (plain - found).abs() <= bound));
    assert_ne!(bits(&plain), bits(&found), "the numbers are small enough to tell");
}

/// Numbers that are small enough tell the instruction from the loops, so that this fails if the switch is ignored.
#[cfg(target_arch = "x86_64")]
#[test]
fn without_avx512_products_of_pairs_and_parts_of_them_are_those_of_the_plain_loops() {
    let (Some(dot), Some(narrow)) = (super::super::dot::Dot::found(), pulp::x86::V3::try_new()) else {
        println!("skipped: this processor has no AVX512-BF16");
        return;
    };
    let mut case = Case::new(2e-19);
    case.bias.fill(0.0);
    let product = |run: &dyn Fn(Product<'_, u32>)| bits(&case.made(Finish::Write, run));
    let part = |run: &dyn Fn(Partial<'_, u32>)| {
        let mut slab = vec![0; pairs_of(case.inputs) * PANEL];
        round_panel(&mut slab, &case.panels[..case.inputs * PANEL]);
        let mut from = Vec::new();
        round_rows(&mut from, &case.from, case.inputs);
        let mut sums = vec![[0.0; PANEL]; case.rows];
        run(Partial { sums: &mut sums, from: &from, slab: &slab });
        bits(sums.as_flattened())
    };
    let plain = product(&|product| Simd::vectorize(narrow, product));
    let plain_part = part(&|part| Simd::vectorize(narrow, part));
    let by_instruction = product(&|product| dot.product(product));
    assert_ne!(by_instruction, plain, "the numbers are small enough to tell");

    assert_eq!(crate::instructions(), "avx512-bf16");
    assert_eq!(product(&|product| product.compute()), by_instruction);
    assert_ne!(part(&|part| part.compute()), plain_part);
    // Others of this process demand the same numbers with and without the instruction, and run with it again after this.
    crate::without_avx512();
    let named = crate::instructions();
    let without = product(&|product| product.compute());
    let part_without = part(&|part| part.compute());
    crate::instructions::with_avx512();
    assert_eq!(named, "avx512");
    assert_eq!(without, plain);
    assert_eq!(part_without, plain_part);
    assert_eq!(crate::instructions(), "avx512-bf16");
}

#[test]
fn numbers_that_are_not_normal_are_zero_in_rows_and_in_files() {
    let small = f32::MIN_POSITIVE / 2.0;
    assert_eq!(pair(small, -small), 0x0000_8000);
    assert_eq!(pair(1.0, small), 0x3f80_0000);
    // As a file has them: the first input in the lower half.
    assert_eq!(pair_of_file(0x8040_3f80), 0x3f80_8000);
    assert_eq!(pair_of_file(0x4000_0001), 0x0000_4000);
    assert_eq!(pair_of_file(0xff80_7fc0), 0x7fc0_ff80, "infinities and NaN stay");
}

#[test]
fn parts_of_a_product_are_the_whole_one() {
    let case = Case::new(1.0);
    let depth = pairs_of(case.inputs);
    let mut slab = vec![0; depth * PANEL];
    round_panel(&mut slab, &case.panels[..case.inputs * PANEL]);
    let mut from = Vec::new();
    round_rows(&mut from, &case.from, case.inputs);
    let mut sums = vec![[0.0; PANEL]; case.rows];
    let cut = 17;
    for pairs in [0..cut, cut..depth] {
        let part: Vec<u32> = from.chunks_exact(depth).flat_map(|row| &row[pairs.clone()]).copied().collect();
        Partial { sums: &mut sums, from: &part, slab: &slab[pairs.start * PANEL..pairs.end * PANEL] }.compute();
    }
    let mut whole = Case::new(1.0);
    whole.bias.fill(0.0);
    for (sums, plain) in sums.iter().zip(whole.plain().chunks_exact(whole.outputs)) {
        assert_eq!(bits(sums), bits(&plain[..PANEL]));
    }
}

#[test]
fn what_is_no_number_stays_none() {
    let mut case = Case::new(1.0);
    case.from[5 * case.inputs + 2] = f32::from_bits(0x7f80_0001);
    let made = case.made(Finish::Write, |product| product.compute());
    for (row, made) in made.chunks_exact(case.outputs).enumerate() {
        assert!(made.iter().all(|x| x.is_nan() == (row == 5)), "row {row}");
    }
}

proptest! {
    #[test]
    fn numbers_are_rounded_to_the_nearest_and_ties_to_even(bits in any::<u32>(), upper in any::<u16>()) {
        for x in [f32::from_bits(bits), f32::from_bits(u32::from(upper) << 16 | 0x8000)] {
            let found = bf16::from_bits((rounded_bits(x) >> 16) as u16);
            let expected = bf16::from_f32(x);
            let expected = if expected.is_normal() || !expected.is_finite() { expected } else { bf16::ZERO.copysign(expected) };
            prop_assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(), "{x}: {found}");
        }
    }
}
