// Package model is the batch protocol and the row-version rule in small, to be
// run through many thousand histories in seconds: two partitions, three
// entities, crashes at every step, batches that are tried again in another
// composition and order, writes that arrive long after their sender died,
// entities that are forgotten, refreshes, and runs that begin anew without
// committed offsets.
//
// It shares no code with what it models. It has no fence: the rule alone must
// keep a store from ever showing, for good, anything but the row of the last
// committed batch that touched an entity.
package model
