//! Medians, and paired measurements that are robust against a drifting machine.

/// The two sides of a comparison: the median of each, and the median of their ratio per round.
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    pub(crate) ratio: f64,
}

/// Measures both sides alternately, `rounds` times after a round that is not counted.
pub(crate) fn paired(
    rounds: usize,
    mut ours: impl FnMut() -> anyhow::Result<f64>,
    mut theirs: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<Pair> {
    let (mut of_ours, mut of_theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    ours()?;
    theirs()?;
    for round in 0..rounds {
        // The second side has warmer caches: alternate.
        let (a, b) = if round % 2 == 0 {
            let a = ours()?;
            (a, theirs()?)
        } else {
            let b = theirs()?;
            (ours()?, b)
        };
        of_ours.push(a);
        of_theirs.push(b);
        ratios.push(a / b);
    }
    Ok(Pair { ours: median(&mut of_ours), theirs: median(&mut of_theirs), ratio: median(&mut ratios) })
}

/// Measures each of `sides` once per round, in rotating order, `rounds` times after a round that is not counted. Returns
/// the results of each side, by round.
pub(crate) fn interleaved<T>(
    rounds: usize,
    sides: usize,
    mut measure: impl FnMut(usize) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = (0..sides).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..=rounds {
        for turn in 0..sides {
            let side = (round + turn) % sides;
            let result = measure(side)?;
            if round > 0 {
                results[side].push(result);
            }
        }
    }
    Ok(results)
}

/// Returns the median; for an even number, the upper of the two middle samples.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_rounds_and_the_first_does_not_count() {
        let (mut a, mut b) = ([9.0, 1.0, 2.0, 30.0].into_iter(), [9.0, 2.0, 4.0, 10.0].into_iter());
        let pair = paired(3, || Ok(a.next().unwrap()), || Ok(b.next().unwrap())).unwrap();
        assert_eq!((pair.ours, pair.theirs, pair.ratio), (2.0, 4.0, 0.5));
        assert!(paired(1, || Ok(1.0), || anyhow::bail!("broken")).is_err());
    }

    #[test]
    fn sides_take_turns_and_the_first_round_does_not_count() {
        let mut calls = Vec::new();
        let measure = |side| {
            calls.push(side);
            Ok(calls.len())
        };
        let results = interleaved(2, 3, measure).unwrap();
        assert_eq!(calls, [0, 1, 2, 1, 2, 0, 2, 0, 1]);
        assert_eq!(results, [[6, 8], [4, 9], [5, 7]]);
        let broken = interleaved(1, 2, |_| -> anyhow::Result<()> { anyhow::bail!("broken") });
        assert!(broken.is_err());
    }
}
