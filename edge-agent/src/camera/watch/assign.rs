//! Who takes what, so that all together it is best. Pure.
//!
//! The assignment problem, solved exactly: rows are added one by one, each by the cheapest path through those before it (Kuhn
//! 1955, Jonker and Volgenant 1987).

/// For each row its column, so that the sum of the costs is least; a row may stay without one, which costs `without`. What `cost`
/// does not give cannot be. Time grows with rows² x (rows + columns).
pub fn assign(
    rows: usize,
    columns: usize,
    without: f32,
    cost: impl Fn(usize, usize) -> Option<f32>,
) -> Vec<Option<usize>> {
    // Every row has a column of its own besides, which stands for none.
    let all = columns + rows;
    let price = |row: usize, column: usize| match column < columns {
        true => cost(row, column).map_or(f64::INFINITY, f64::from),
        false if column - columns == row => f64::from(without),
        false => f64::INFINITY,
    };
    let mut of_row = vec![0.0; rows];
    let mut of_column = vec![0.0; all];
    let mut taken_by: Vec<Option<usize>> = vec![None; all];
    for new in 0..rows {
        let mut least = vec![f64::INFINITY; all];
        let mut from: Vec<Option<usize>> = vec![None; all];
        let mut done = vec![false; all];
        let (mut row, mut last) = (new, None);
        let free = loop {
            let mut next: Option<usize> = None;
            for column in (0..all).filter(|column| !done[*column]) {
                let way = price(row, column) - of_row[row] - of_column[column];
                if way < least[column] {
                    (least[column], from[column]) = (way, last);
                }
                if next.is_none_or(|best| least[column] < least[best]) {
                    next = Some(column);
                }
            }
            let column = next.expect("the row's own column is always there");
            let step = least[column];
            of_row[new] += step;
            for other in 0..all {
                match (done[other], taken_by[other]) {
                    (true, Some(row)) => {
                        of_row[row] += step;
                        of_column[other] -= step;
                    }
                    _ => least[other] -= step,
                }
            }
            done[column] = true;
            match taken_by[column] {
                Some(taker) => (row, last) = (taker, Some(column)),
                None => break column,
            }
        };
        // Back along the path, each column goes to the row that asked for it.
        let mut column = free;
        while let Some(before) = from[column] {
            taken_by[column] = taken_by[before];
            column = before;
        }
        taken_by[column] = Some(new);
    }
    let mut columns_of = vec![None; rows];
    for (column, row) in taken_by.into_iter().enumerate().take(columns) {
        if let Some(row) = row {
            columns_of[row] = Some(column);
        }
    }
    columns_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearest_first_is_not_always_best_and_one_may_stay_without() {
        let costs = [[1.0, 2.0], [1.1, 9.0]];
        let cost = |row: usize, column: usize| Some(costs[row][column]);
        assert_eq!(assign(2, 2, 5.0, cost), [Some(1), Some(0)]);
        assert_eq!(assign(2, 2, 1.5, cost), [Some(0), None]);
        assert_eq!(assign(2, 0, 1.5, cost), [None, None]);
        assert!(assign(0, 2, 1.5, cost).is_empty());
        assert_eq!(assign(2, 2, 5.0, |_, _| None), [None, None]);
    }

    /// Against trying everything.
    #[test]
    fn no_other_choice_is_cheaper() {
        fn cheapest(costs: &[Vec<Option<f32>>], row: usize, taken: &mut Vec<bool>) -> f32 {
            let Some(of) = costs.get(row) else { return 0.0 };
            let mut best = 2.0 + cheapest(costs, row + 1, taken);
            for (column, cost) in of.iter().enumerate() {
                if let Some(cost) = cost
                    && !taken[column]
                {
                    taken[column] = true;
                    best = best.min(cost + cheapest(costs, row + 1, taken));
                    taken[column] = false;
                }
            }
            best
        }
        let mut state = 5u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f32 / (1u64 << 31) as f32
        };
        for _ in 0..300 {
            let (rows, columns) = ((next() * 6.0) as usize, (next() * 6.0) as usize);
            let costs: Vec<Vec<Option<f32>>> = (0..rows)
                .map(|_| {
                    (0..columns)
                        .map(|_| (next() < 0.7).then(|| 3.0 * next()))
                        .collect()
                })
                .collect();
            let chosen = assign(rows, columns, 2.0, |row, column| costs[row][column]);
            let mut used = vec![false; columns];
            let mut sum = 0.0;
            for (row, column) in chosen.iter().enumerate() {
                sum += column.map_or(2.0, |column| {
                    assert!(!std::mem::replace(&mut used[column], true));
                    costs[row][column].expect("it can be")
                });
            }
            let best = cheapest(&costs, 0, &mut vec![false; columns]);
            assert!((sum - best).abs() < 1e-4, "{sum} {best} {costs:?}");
        }
    }
}
