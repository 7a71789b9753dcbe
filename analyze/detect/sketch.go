package detect

// Sketches of standard fixes, by detector. Each is the shape of a fix, not the
// program's own: names in it are invented.
var sketches = map[string]string{
	"long-critical-section": `// Take what the slow part needs, then let go of the lock for it.
func (s *Store) Update(ctx context.Context, id string) error {
	s.mu.Lock()
	item := s.items[id] // a copy, not a pointer into the map
	s.mu.Unlock()

	next, err := s.remote.Compute(ctx, item) // slow, and nobody waits for it
	if err != nil {
		return err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items[id].Version != item.Version {
		return ErrChanged // somebody else was faster: try again
	}
	s.items[id] = next
	return nil
}
`,
	"mutex-hotspot": `// One lock for each part of the data: callers with different keys rarely meet.
type Store struct {
	seed   maphash.Seed
	shards [64]struct {
		sync.Mutex
		m map[string]Item
		_ [48]byte // keeps neighbours on cache lines of their own
	}
}

func (s *Store) Put(key string, it Item) {
	shard := &s.shards[maphash.String(s.seed, key)%64]
	shard.Lock()
	shard.m[key] = it
	shard.Unlock()
}
`,
	"deadlock": `// Take two locks in one order everywhere, such as by the id of what they guard.
func transfer(from, to *Account, amount int) {
	first, second := from, to
	if second.ID < first.ID {
		first, second = second, first
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	if second != first {
		second.mu.Lock()
		defer second.mu.Unlock()
	}
	from.balance -= amount
	to.balance += amount
}
`,
	"channel-backpressure": `// A bounded queue that refuses at once, and a receiver that takes all there is.
func (q *Queue) Put(ctx context.Context, e Event) error {
	select {
	case q.events <- e: // make(chan Event, 1024)
		return nil
	default:
		return ErrFull // answer 503, or count and drop
	}
}

func (q *Queue) drain() {
	for e := range q.events {
		batch := append(q.batch[:0], e)
		for len(batch) < 256 && len(q.events) > 0 {
			batch = append(batch, <-q.events)
		}
		q.write(batch) // one slow step for all of them
		q.batch = batch
	}
}
`,
	"pool-exhaustion": `// Hold a slot for as long as the query takes, and wait for one no longer than the caller does.
func (s *Store) Load(ctx context.Context, id int) (Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, query, id)
	if err != nil {
		return Row{}, err
	}
	defer rows.Close() // gives the connection back on every way out
	return scan(rows)  // and nothing slow before that
}
`,
	"blocked-downstream": `// A deadline for the call, and a bound on how many are under way.
func (c *Client) Ask(ctx context.Context, id string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	select {
	case c.slots <- struct{}{}: // make(chan struct{}, 50)
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return c.last(id), ctx.Err()
	}
	return c.fetch(ctx, id) // http.NewRequestWithContext(ctx, ...)
}
`,
	"map-growth": `// Entries have an expiry, and a sweep builds a new map: tables of the old never shrink.
func (c *Cache) sweep(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := make(map[string]Entry, len(c.m)/2)
	for key, e := range c.m {
		if now.Sub(e.Used) < maxIdle {
			kept[key] = e
		}
	}
	c.m = kept
}
`,
	"heap-growth": `// A cache with a cap: the least recently used entry makes room.
func (c *Cache) Put(key string, value []byte) {
	if e, ok := c.entries[key]; ok {
		e.Value.(*entry).value = value
		c.order.MoveToFront(e)
		return
	}
	c.entries[key] = c.order.PushFront(&entry{key, value}) // container/list
	if c.order.Len() > c.cap {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		delete(c.entries, oldest.Value.(*entry).key)
	}
}
`,
	"alloc-hotspot": `// Buffers are used again.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func send(w io.Writer, doc Document) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= 64<<10 { // one huge document must not stay for ever
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if err := doc.encode(buf); err != nil {
		return err
	}
	_, err := w.Write(buf.Bytes())
	return err
}
`,
	"slice-regrowth": `// The size is known, so it is asked for once.
func names(users []User) []string {
	out := make([]string, 0, len(users))
	for _, u := range users {
		out = append(out, u.Name)
	}
	return out
}
`,
	"sync-map-churn": `// A counter is stored once and changed in place from then on.
func (c *Counters) Add(key string) {
	counter, ok := c.m.Load(key)
	if !ok {
		counter, _ = c.m.LoadOrStore(key, new(atomic.Int64))
	}
	counter.(*atomic.Int64).Add(1)
}
`,
	"timer-leak": `// The timer is stopped on every way out.
func wait(ctx context.Context, answers <-chan Answer) (Answer, error) {
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a, nil
	case <-timer.C:
		return Answer{}, ErrLate
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}
`,
	"context-retention": `// The parent lets go of the context when it is cancelled, so that must happen on every way out.
func (s *Server) handle(ctx context.Context, r Request) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.answer(ctx, r)
}
`,
	"goroutine-leak": `// Nobody may be left to receive: the buffer lets the sender end, the context lets the caller leave.
func first(ctx context.Context, ask func(context.Context) Answer) (Answer, error) {
	answer := make(chan Answer, 1)
	go func() { answer <- ask(ctx) }()
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}
`,
	"goroutine-burst": `// As many goroutines as can run, each with a part of the list.
func all(ctx context.Context, items []Item) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for part := range slices.Chunk(items, 64) {
		g.Go(func() error { return process(ctx, part) })
	}
	return g.Wait()
}
`,
	"fragmented-slices": `// Items travel a hundred at a time, so that a hand-over is paid for once in a hundred.
func produce(items iter.Seq[Item], out chan<- []Item) {
	batch := make([]Item, 0, 100)
	for it := range items {
		if batch = append(batch, it); len(batch) == cap(batch) {
			out <- batch
			batch = make([]Item, 0, 100)
		}
	}
	if len(batch) > 0 {
		out <- batch
	}
	close(out)
}
`,
	"repeated-setup": `// Made once, when it is first needed.
var pattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^[a-z]+-[0-9]+$")
})

func valid(id string) bool { return pattern().MatchString(id) }
`,
	"concurrent-map-access": `// The map and its lock are one thing, and nobody else sees the map.
type Table struct {
	mu sync.RWMutex
	m  map[string]Item
}

func (t *Table) Get(key string) (Item, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	item, ok := t.m[key]
	return item, ok
}
`,
}

func init() {
	for _, d := range All {
		d.Sketch = sketches[d.ID]
	}
}
