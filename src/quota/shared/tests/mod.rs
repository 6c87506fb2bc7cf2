mod alone;
mod away;
