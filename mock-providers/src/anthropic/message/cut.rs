//! Where a message ends before all is said, and why it ends.
//!
//! Owns the stop sequences, the token limit and the faults that end a message early. Refuses to change what stands
//! before the end.

use super::super::parameters::Wishes;
use super::Block;
use crate::answer::Context;
use crate::tokens;

/// Why a message ends.
pub(super) struct End {
    pub(super) reason: &'static str,
    pub(super) sequence: Option<String>,
}

/// Cuts the blocks as the request and the faults ask for.
pub(super) fn cut(blocks: &mut Vec<Block<'_>>, wishes: &Wishes<'_>, context: &Context<'_>) -> End {
    let fault = context.fault;
    let calls = blocks.iter().any(|block| matches!(block, Block::Call { .. }));
    let mut end = End { reason: if calls { "tool_use" } else { "end_turn" }, sequence: None };
    // Exact chunks are sent as they are.
    if context.respond.chunks.is_none() {
        if let Some(sequence) = stop(blocks, wishes, context) {
            end = End { reason: "stop_sequence", sequence: Some(sequence) };
        }
        let most = if fault.ignore_max_tokens { tokens::MOST } else { wishes.max_tokens.min(tokens::MOST) };
        if limit(blocks, most) {
            end = End { reason: "max_tokens", sequence: None };
        }
    }
    if fault.length_cut || fault.content_filter {
        let half = length(blocks) / 2;
        limit(blocks, half);
        end = End { reason: "max_tokens", sequence: None };
    }
    if fault.refuse || fault.content_filter {
        end = End { reason: "refusal", sequence: None };
    }
    end
}

/// Ends the message before the first stop sequence; says which.
fn stop(blocks: &mut Vec<Block<'_>>, wishes: &Wishes<'_>, context: &Context<'_>) -> Option<String> {
    if context.fault.ignore_stop || wishes.stops.is_empty() {
        return None;
    }
    for index in 0..blocks.len() {
        let Block::Text(pieces) = &mut blocks[index] else { continue };
        let found = wishes.stops.iter().filter_map(|stop| Some((pieces.text().find(stop)?, *stop)));
        if let Some((at, sequence)) = found.min() {
            pieces.end_at(at);
            blocks.truncate(if at == 0 { index } else { index + 1 });
            return Some(sequence.to_owned());
        }
    }
    None
}

fn length(blocks: &[Block<'_>]) -> usize {
    blocks.iter().map(cost).sum()
}

/// The tokens of a block: one for each piece, and one for the name of a call.
fn cost(block: &Block<'_>) -> usize {
    let (pieces, more) = block.said();
    pieces.count() + usize::try_from(more).unwrap_or(0)
}

/// Ends the message after so many tokens; says whether that cut anything.
fn limit(blocks: &mut Vec<Block<'_>>, mut left: usize) -> bool {
    for index in 0..blocks.len() {
        let cost = cost(&blocks[index]);
        if cost <= left {
            left -= cost;
            continue;
        }
        match &mut blocks[index] {
            Block::Text(pieces) | Block::Thinking { thoughts: pieces, .. } => pieces.keep(left),
            Block::Call { input, .. } => input.keep(left.saturating_sub(1)),
        }
        blocks.truncate(if left == 0 { index } else { index + 1 });
        return true;
    }
    false
}
