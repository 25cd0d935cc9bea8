// Package readmodel is what the read models and their runner share: the event
// on its way into the tables, the effects that one read model tells the next,
// and the description of tables for comparison.
//
// A read model is a pure fold: its tables depend on the events of the log alone,
// never on when or in which groups they arrived, or on whether some of them were
// erased before or after they were folded. It takes part in the runner's
// transaction and never begins or ends one.
package readmodel
