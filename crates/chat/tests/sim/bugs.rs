//! Planted bugs: each is what a tempting shortcut in the machine or its shell would make the outside see.
//!
//! They are done to inputs and effects on their way, so that the machine itself carries no switch. The table says what
//! the shortcut is; `docs/decisions/0004-simulation.md` says why each tampering equals it.

macro_rules! bugs {
    ($($name:ident, $story:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Bug { $($name,)+ }

        impl Bug {
            pub(crate) const ALL: &'static [Bug] = &[$(Bug::$name,)+];

            pub(crate) fn story(self) -> &'static str {
                match self { $(Bug::$name => $story,)+ }
            }
        }
    };
}

bugs! {
    AckBeforeCommit, "acknowledged when the write is sent off, not when it is stored";
    AckOnPrimary, "the primary's word is taken for a majority's: head and acks advance on it";
    AckOnConflict, "a duplicate-key error alone acknowledges";
    AckOnUnknown, "an unclear answer advances the head as a success does";
    HintBeforeCommit, "the hint with the entries goes out before the commit";
    TwoWritesInFlight, "a batch goes out as independent writes: a later one may land without an earlier one";
    LocalReads, "lookups, heads and gaps are read from the primary, not from a majority";
    NoLookupOfBody, "a repeated name is acknowledged whatever body stands under it";
    DedupeWithoutSender, "the name of a message alone finds the first, whoever sent it";
    MembershipCached, "members are not read again when a batch is rebased";
    RemovedStillHears, "a removal does not end the delivery to the removed";
    NoReannouncement, "a head is announced once and never again";
    NoHeadComparison, "heads are never compared: not after a bus loss, not in the sweep";
    EpochIgnored, "a cursor of an older incarnation is taken as one of this";
    ResumeOffByOne, "a resume begins one entry too far";
    ResumeForgotten, "a resume begins at the head";
    LiveBeforeBacklog, "live entries are sent to a socket that still lags";
    DropsForTheSlow, "an entry is dropped for a slow socket instead of cutting it";
    TwinsDelivered, "an entry that comes back by its hint is delivered again";
    UnknownAsFailed, "an unknown outcome is answered as certainly not stored";
    RefusedUnread, "a refusal looks at the rights alone, not whether the message is stored already";
    GhostsOfDeadNodes, "a node counts as alive for ever, and so does whoever was connected to it";
    PresenceCached, "how people stand elsewhere is said once and read once";
    HomeOutOfOrder, "a socket's sends reach the room's home in any order";
}
