//! What gets lost on the way, and whether silence has been asked often enough to be believed.

use super::limits::{CANARIES_MIN, DOUBT};

/// What each pass over the silent ports lost.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    passes: Vec<Pass>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Pass {
    /// Canaries that were heard.
    heard: u32,
    /// Canaries that were not.
    lost: u32,
    /// Ports that answered to a probe of this pass, for the first time.
    answered: u32,
}

impl Ledger {
    pub(crate) fn begin(&mut self) {
        self.passes.push(Pass::default());
    }

    fn pass(&mut self, pass: u32) -> Option<&mut Pass> {
        self.passes.get_mut(pass as usize)
    }

    pub(crate) fn heard(&mut self, pass: u32) {
        if let Some(pass) = self.pass(pass) {
            pass.heard += 1;
        }
    }

    pub(crate) fn lost(&mut self, pass: u32) {
        if let Some(pass) = self.pass(pass) {
            pass.lost += 1;
        }
    }

    /// A canary that counted as lost was only late.
    pub(crate) fn late(&mut self, pass: u32) {
        if let Some(pass) = self.pass(pass) {
            pass.lost = pass.lost.saturating_sub(1);
            pass.heard += 1;
        }
    }

    /// A port answered for the first time.
    pub(crate) fn answered(&mut self, pass: u32) {
        if let Some(pass) = self.pass(pass) {
            pass.answered += 1;
        }
    }

    /// The share of canaries that were lost; `None` without canaries.
    pub(crate) fn share(&self) -> Option<f64> {
        let (heard, lost) = self.totals();
        (heard + lost > 0).then(|| f64::from(lost) / f64::from(heard + lost))
    }

    fn totals(&self) -> (u32, u32) {
        self.passes.iter().fold((0, 0), |(heard, lost), pass| (heard + pass.heard, lost + pass.lost))
    }

    /// Whether silence may be believed: the chance that even one of the ports asked for would have answered and was
    /// lost in every pass. (To count only those still silent would be too kind where most ports answer: the few that
    /// are left are the very ones that were lost.) The order of ports is new in every pass, so that the shares of the
    /// passes multiply, whatever the pace did within one.
    pub(crate) fn is_settled(&self, asked: u32) -> bool {
        let (heard, lost) = self.totals();
        if heard + lost < CANARIES_MIN {
            return false;
        }
        let each = 1.0 / f64::from(heard + 1);
        let missed: f64 = (0..self.passes.len())
            .map(|index| if lost == 0 { each.max(self.recovered(index)) } else { self.lost_in(index) })
            .product();
        f64::from(asked) * missed < DOUBT
    }

    fn lost_in(&self, index: usize) -> f64 {
        let Pass { heard, lost, .. } = self.passes[index];
        let canaries = f64::from(lost + 1) / f64::from(heard + lost + 1);
        canaries.max(self.recovered(index))
    }

    /// The share of ports that answered only to later passes: lost in this one, too.
    fn recovered(&self, index: usize) -> f64 {
        let later: u32 = self.passes[index + 1..].iter().map(|pass| pass.answered).sum();
        let all = later + self.passes[index].answered;
        if all == 0 { 0.0 } else { f64::from(later) / f64::from(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(passes: &[(u32, u32, u32)]) -> Ledger {
        let passes = passes.iter().map(|&(heard, lost, answered)| Pass { heard, lost, answered }).collect();
        Ledger { passes }
    }

    #[test]
    fn without_enough_canaries_nothing_is_settled() {
        assert!(!ledger(&[(66, 0, 5); 3]).is_settled(1));
        assert!(ledger(&[(67, 0, 5), (67, 0, 0), (67, 0, 0)]).is_settled(1));
    }

    #[test]
    fn no_loss_needs_three_passes_over_all_ports() {
        assert!(!ledger(&[(650, 0, 100), (650, 0, 0)]).is_settled(65_435));
        assert!(ledger(&[(436, 0, 100), (436, 0, 0), (436, 0, 0)]).is_settled(65_435));
    }

    #[test]
    fn five_percent_each_way_needs_nine() {
        let pass = (394, 42, 0);
        assert!(!ledger(&[pass; 8]).is_settled(65_435));
        assert!(ledger(&[pass; 9]).is_settled(65_435));
    }

    #[test]
    fn ports_that_came_later_tell_of_loss_that_no_canary_saw() {
        assert!(ledger(&[(300, 0, 100), (300, 0, 0), (300, 0, 0)]).is_settled(1000));
        assert!(!ledger(&[(300, 0, 50), (300, 0, 50), (300, 0, 0)]).is_settled(1000));
    }
}
