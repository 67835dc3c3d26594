//! The ranks of values, twice as large as they are so that those of equal values are whole numbers too.

/// Twice the rank of each value, in the order given: 2 for the smallest, and for equal ones twice the mean of the ranks
/// that they take together (midranks). Of n values they sum to n (n + 1).
pub(in crate::analyse) fn doubled(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut smaller = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        for index in equal {
            // The first of them has the rank smaller + 1, the last smaller + equal.len().
            ranks[*index] = 2 * smaller + 1 + equal.len();
        }
        smaller += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_the_mean_of_their_ranks() {
        assert_eq!(doubled(&[]), [0; 0]);
        assert_eq!(doubled(&[3.0, 1.0, 2.0]), [6, 2, 4]);
        assert_eq!(doubled(&[5.0, 1.0, 5.0, 9.0]), [5, 2, 5, 8]);
        assert_eq!(doubled(&[0.0, -0.0, 0.0]), [4, 4, 4]);
    }
}
