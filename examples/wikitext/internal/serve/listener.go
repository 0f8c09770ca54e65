package serve

import (
	"net"
	"sync"
	"sync/atomic"
)

// limited is a listener with a bounded number of open connections. What comes beyond
// them waits in the system's queue.
type limited struct {
	net.Listener
	rooms chan struct{} // one for each connection, and for the next
	count atomic.Int64  // of connections
	ended chan struct{}
	end   func()
}

// limit bounds the connections of a listener.
func limit(l net.Listener, n int) *limited {
	ended := make(chan struct{})
	return &limited{Listener: l, rooms: make(chan struct{}, n), ended: ended, end: sync.OnceFunc(func() { close(ended) })}
}

// open is the number of connections.
func (l *limited) open() int { return int(l.count.Load()) }

// crowded says whether few connections are left, so that one that has nothing to ask
// should not be kept.
func (l *limited) crowded() bool { return l.open() > cap(l.rooms)*3/4 }

// Accept returns the next connection, once there is room for it.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.rooms <- struct{}{}:
	case <-l.ended:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.rooms
		return nil, err
	}
	l.count.Add(1)
	return &counted{Conn: c, leave: sync.OnceFunc(func() {
		l.count.Add(-1)
		<-l.rooms
	})}, nil
}

// Close ends the listener, and an Accept that waits for room.
func (l *limited) Close() error {
	l.end()
	return l.Listener.Close()
}

// counted is a connection that leaves room when it is closed.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
