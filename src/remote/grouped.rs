//! Performing steps of which some are performed together.

use super::connection::Answer;
use super::error::RemoteError;
use super::step::{StepAnswer, StepEnd, StepGroup, StepNews, StepRecord, StepScript};
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
            let is_last = group.of.end == steps.len();
            let mut all_but_own = |place: usize, news: StepNews<'_>| match news {
                StepNews::Through(_) if place == own => {}
                news => on_news(from + place, news),
            };
            let after = if is_last { probes } else { &[] };
            let (performed, mut read) = self.perform_and_read(&scripts, after, &mut all_but_own).await?;
            let last = performed
                .last()
                .cloned()
                .unwrap_or_else(|| StepAnswer::bare(StepEnd::Skipped));
            let end = last.end;
            answers.extend(performed.into_iter().take(own));
            if matches!(end, StepEnd::Failed { status } if group.not_begun == Some(status)) {
                for place in group.of.clone() {
                    let skipped = StepAnswer::bare(StepEnd::Skipped);
                    let answer = if place == group.of.start { last.clone() } else { skipped };
                    on_news(place, StepNews::Through(&answer));
                    answers.push(answer);
                }
            } else if end.halts() {
                let singles = self
                    .one_by_one(&steps[group.of.clone()], group.of.start, on_news)
                    .await?;
                answers.extend(singles);
                if !after.is_empty() {
                    read = self.read(after).await?;
                }
            } else {
                for place in group.of.clone() {
                    let answer = StepAnswer::bare(end);
                    on_news(place, StepNews::Through(&answer));
                    answers.push(answer);
                }
            }
            if is_last {
                return Ok((answers, read));
            }
        }
        let from = answers.len();
        let (last, read) = self
            .perform_and_read(&steps[from..], probes, &mut |place, news| on_news(from + place, news))
            .await?;
        answers.extend(last);
        Ok((answers, read))
    }

    /// Performs the steps of a group that failed; the first of them has the place `first`. After one that fails, nothing more is done,
    /// but what the group has done already is told.
    async fn one_by_one(
        &mut self,
        steps: &[StepScript],
        first: usize,
        on_news: OnNews<'_>,
    ) -> Result<Vec<StepAnswer>, RemoteError> {
        self.resume().await?;
        let mut each = |place: usize, news: StepNews<'_>| match news {
            StepNews::Through(StepAnswer {
                end: StepEnd::Skipped, ..
            }) => {}
            StepNews::Through(answer) => on_news(first + place, StepNews::Through(&answer.as_of_group())),
            news => on_news(first + place, news),
        };
        let performed = self.perform(steps, &mut each).await?;
        let skipped = performed.iter().filter(|answer| answer.end == StepEnd::Skipped).count();
        let reached = steps.len() - skipped;
        let mut answers: Vec<StepAnswer> = performed[..reached].iter().map(StepAnswer::as_of_group).collect();
        for end in self.done_by_group(&steps[reached..]).await? {
            let answer = StepAnswer::bare(end);
            on_news(first + answers.len(), StepNews::Through(&answer));
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Which of `steps`, which were skipped, are done all the same: the group did them before it failed.
    async fn done_by_group(&mut self, steps: &[StepScript]) -> Result<Vec<StepEnd>, RemoteError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let look = |step: &StepScript| StepScript {
            already: step.already.clone(),
            body: ":".to_owned(),
            ..StepScript::default()
        };
        let looks: Vec<StepScript> = steps.iter().map(look).collect();
        self.resume().await?;
        let seen = self.perform(&looks, &mut |_, _| {}).await?;
        let ends: Vec<StepEnd> = seen
            .iter()
            .map(|answer| match answer.end {
                StepEnd::Already => StepEnd::Done,
                _ => StepEnd::Skipped,
            })
            .collect();
        let done = steps.iter().zip(&ends).filter(|(_, end)| **end == StepEnd::Done);
        let told = done.map(|(step, _)| StepScript {
            already: Some(":".to_owned()),
            record: step.record.clone().map(|record| StepRecord {
                opening: None,
                closing: None,
                ..record
            }),
            ..StepScript::default()
        });
        // What follows is skipped as before.
        let halt = StepScript {
            body: "exit 1".to_owned(),
            ..StepScript::default()
        };
        let told: Vec<StepScript> = told.chain([halt]).collect();
        self.perform(&told, &mut |_, _| {}).await?;
        Ok(ends)
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
