//! Lists of people in statements.
use stunity_server::db::Statement;

/// `($7, $8, …)` for so many ids. Of few lengths, so that statements stay prepared;
/// [`bind_ids`] repeats the last.
pub(crate) fn id_list(first: usize, count: usize) -> String {
    let marks = (first..first + count.next_power_of_two()).map(|place| format!("${place}"));
    format!("({})", marks.collect::<Vec<_>>().join(", "))
}

/// Binds the ids of an [`id_list`].
pub(crate) fn bind_ids<const N: usize>(
    mut statement: Statement,
    ids: impl ExactSizeIterator<Item = [u8; N]>,
) -> Statement {
    let count = ids.len().next_power_of_two();
    let mut last = [0; N];
    let mut bound = 0;
    for id in ids {
        statement = statement.bind(id);
        (last, bound) = (id, bound + 1);
    }
    for _ in bound..count {
        statement = statement.bind(last);
    }
    statement
}
