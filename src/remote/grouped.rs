//! Performing steps of which some are performed together.

use super::connection::Answer;
use super::error::RemoteError;
use super::step::{StepAnswer, StepEnd, StepGroup, StepNews, StepScript};
use super::writer::{OnNews, Writer};
use crate::facts::Probe;

impl Writer<'_> {
    /// As [`Writer::perform_and_read`], with one script for each group of steps. If that fails, they are performed one by one.
    pub async fn perform_grouped(
        &mut self,
        steps: &[StepScript],
        groups: &[StepGroup],
        probes: &[Probe],
        on_news: OnNews<'_>,
    ) -> Result<(Vec<StepAnswer>, Vec<Answer>), RemoteError> {
        let mut answers = Vec::with_capacity(steps.len());
        for group in groups {
            let from = answers.len();
            let mut scripts = steps[from..group.of.start].to_vec();
            scripts.push(group.script.clone());
            let own = scripts.len() - 1;
            let mut all_but_own = |place: usize, news: StepNews<'_>| match news {
                StepNews::Through(_) if place == own => {}
                news => on_news(from + place, news),
            };
            let performed = self.perform(&scripts, &mut all_but_own).await?;
            let end = performed.last().map_or(StepEnd::Skipped, |last| last.end);
            answers.extend(performed.into_iter().take(own));
            match end {
                StepEnd::Stale | StepEnd::Failed { .. } => {
                    self.resume().await?;
                    let first = answers.len();
                    let mut each = |place: usize, news: StepNews<'_>| match news {
                        StepNews::Through(answer) => on_news(first + place, StepNews::Through(&answer.as_of_group())),
                        news => on_news(first + place, news),
                    };
                    let singles = self.perform(&steps[group.of.clone()], &mut each).await?;
                    answers.extend(singles.iter().map(StepAnswer::as_of_group));
                }
                end => {
                    for place in group.of.clone() {
                        let answer = StepAnswer::bare(end);
                        on_news(place, StepNews::Through(&answer));
                        answers.push(answer);
                    }
                }
            }
        }
        let from = answers.len();
        if from == steps.len() && !groups.is_empty() {
            let read = if probes.is_empty() {
                Vec::new()
            } else {
                self.read(probes).await?
            };
            return Ok((answers, read));
        }
        let (last, read) = self
            .perform_and_read(&steps[from..], probes, &mut |place, news| on_news(from + place, news))
            .await?;
        answers.extend(last);
        Ok((answers, read))
    }
}

impl StepAnswer {
    fn bare(end: StepEnd) -> Self {
        Self {
            end,
            output: Vec::new(),
            cut: 0,
            cause: None,
        }
    }

    /// The answer of a step whose group failed: what is in place already was put there by the group.
    fn as_of_group(&self) -> Self {
        let mut answer = self.clone();
        if answer.end == StepEnd::Already {
            answer.end = StepEnd::Done;
        }
        answer
    }
}
