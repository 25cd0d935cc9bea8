package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// serverTimeout bounds how long a tool waits for the server to begin its answer.
const serverTimeout = 10 * time.Second

// runningServer finds the server that runs on a data directory.
func runningServer(ctx context.Context, d dataDir) (serverNote, bool) {
	note, ok := d.server()
	if !ok {
		return note, false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", note.HTTP)
	if err != nil {
		return note, false // a note that a killed server left behind
	}
	conn.Close()
	return note, true
}

// askServer makes a REST call; the caller closes the body. A problem document
// becomes an error with its own words.
func askServer(ctx context.Context, note serverNote, token, method, path string) (io.ReadCloser, error) {
	return askServerFor(ctx, note, token, method, path, serverTimeout)
}

// askServerFor is askServer for calls that take longer until they answer.
func askServerFor(ctx context.Context, note serverNote, token, method, path string, patience time.Duration) (io.ReadCloser, error) {
	return tellServer(ctx, note, token, method, path, nil, patience)
}

// tellServer is askServerFor with a body.
func tellServer(ctx context.Context, note serverNote, token, method, path string, content io.Reader, patience time.Duration) (io.ReadCloser, error) {
	scheme := "http"
	if note.TLS {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+"://"+note.HTTP+path, content)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Transport: &http.Transport{
		ResponseHeaderTimeout: patience, DisableKeepAlives: true,
		// The address comes from our own data directory and is one of this
		// machine; the certificate names what others call it.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var problem struct{ Title, Detail, Code string }
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&problem) != nil || problem.Code == "" {
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil, fmt.Errorf("the server answered %s: %s: %s", resp.Status, problem.Code, problem.Detail)
}

// status prints the status document of the running server.
func (p program) status(ctx context.Context, args []string) error {
	c, err := p.load("status", args, nil)
	if err != nil {
		return err
	}
	note, ok := runningServer(ctx, dataDir(c.DataDir))
	if !ok {
		return fmt.Errorf("no server runs on the data directory %s", c.DataDir)
	}
	body, err := askServer(ctx, note, "", http.MethodGet, "/chat/status/")
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(p.stdout, io.LimitReader(body, 1<<20)); err != nil {
		return fmt.Errorf("reading the status: %w", err)
	}
	_, err = fmt.Fprintln(p.stdout)
	return err
}
