package main

import (
	"context"
	"slices"

	lc "partyline/events/lifecycle"
	"partyline/events/stream"
	"partyline/gateway/api"
)

// reportStore keeps client reports in the telemetry stream.
type reportStore struct {
	log     *stream.Log
	gateway string
}

// StoreReport implements [api.Reports].
func (s reportStore) StoreReport(ctx context.Context, id string, r *lc.Report) error {
	data, err := lc.EncodeReport(r)
	if err != nil {
		return err
	}
	return s.log.StoreConn(ctx, lc.ReportSubject(s.gateway), id, data)
}

// posture is the part of the settings that says how safe this server is.
func (s *server) posture() api.Posture {
	return api.Posture{
		Loopback: s.loopbackOnly(), AuthMode: s.cfg.AuthMode,
		AnyOrigin: slices.Contains(s.cfg.Origins, "*"), NullOrigin: slices.Contains(s.cfg.Origins, "null"),
		Durability: s.cfg.Durability, Heartbeat: s.cfg.Heartbeat,
		ConnectsPerSecond: s.cfg.ConnectsPerSecond, SendsPerSecond: s.cfg.SendsPerSecond,
		EchoUnlimited: s.cfg.EchoLimits == "off", WholeAddresses: s.cfg.IPPrivacy == "off",
	}
}
