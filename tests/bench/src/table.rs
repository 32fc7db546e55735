//! The table: budget beside figure.

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub figure: f64,
    /// The most that it may be, or the least, see [`Row::at_least`]; none for a
    /// figure that is only told.
    pub budget: Option<f64>,
    /// Whether the budget is a least.
    pub at_least: bool,
    /// Unit of both.
    pub unit: &'static str,
}

impl Row {
    /// A figure with the most that it may be.
    #[must_use]
    pub fn at_most(what: impl Into<String>, figure: f64, budget: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            figure,
            budget: Some(budget),
            at_least: false,
            unit,
        }
    }

    /// A figure with the least that it may be.
    #[must_use]
    pub fn at_least(what: impl Into<String>, figure: f64, budget: f64, unit: &'static str) -> Self {
        Self {
            at_least: true,
            ..Self::at_most(what, figure, budget, unit)
        }
    }

    /// A figure that is only told.
    #[must_use]
    pub fn told(what: impl Into<String>, figure: f64, unit: &'static str) -> Self {
        Self {
            budget: None,
            ..Self::at_most(what, figure, 0.0, unit)
        }
    }

    /// Whether the budget holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.budget.is_none_or(|budget| {
            if self.at_least {
                self.figure >= budget
            } else {
                self.figure <= budget
            }
        })
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Prints the rows; whether all budgets hold.
pub fn print(rows: &[Row]) -> bool {
    let width = rows
        .iter()
        .map(|row| row.what.chars().count())
        .max()
        .unwrap_or(0);
    for row in rows {
        let bound = if row.at_least { "≥" } else { "≤" };
        let budget = row
            .budget
            .map_or_else(String::new, |budget| format!("{bound} {}", number(budget)));
        let verdict = match (row.budget, row.holds()) {
            (None, _) => "",
            (_, true) => "holds",
            (_, false) => "OVER BUDGET",
        };
        let figure = number(row.figure);
        println!(
            "{:<width$}  {figure:>12} {:<10} {budget:>14}  {verdict}",
            row.what, row.unit
        );
    }
    rows.iter().all(Row::holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_budget_is_told_apart() {
        assert!(Row::at_most("a", 1.0, 1.0, "B").holds());
        assert!(!Row::at_most("a", 1.1, 1.0, "B").holds());
        assert!(!Row::at_least("a", 0.9, 1.0, "B").holds());
        assert!(Row::told("a", 9.0, "B").holds());
    }
}
