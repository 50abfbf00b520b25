package object

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// s3 is a Bucket of the S3 API.
type s3 struct {
	client    *minio.Client
	transport *http.Transport
	cfg       S3
	prefix    string // "" or with a slash at its end
}

// partBytes is how much of an upload goes in one request; S3 takes 10,000 of
// them.
const partBytes = 64 * mib

func newS3(fs vfs.FS, cfg S3, requests int) (*s3, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("s3.endpoint: %w", err)
	}
	secure := u.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, fmt.Errorf("set up HTTP: %w", err)
	}
	transport.MaxIdleConnsPerHost = requests
	if err := trust(transport, fs, cfg.CAFile); err != nil {
		return nil, err
	}
	creds, err := credentialsOf(fs, cfg)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupAuto
	if cfg.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: creds, Secure: secure, Transport: transport, Region: cfg.Region, BucketLookup: lookup,
		MaxRetries: 1, // Guarded does that
	})
	if err != nil {
		return nil, fmt.Errorf("set up the S3 client: %w", err)
	}
	s := &s3{client: client, transport: transport, cfg: cfg, prefix: strings.Trim(cfg.Prefix, "/")}
	if s.prefix != "" {
		s.prefix += "/"
	}
	return s, nil
}

// trust adds certificates to those of the system.
func trust(t *http.Transport, fs vfs.FS, file string) error {
	if file == "" {
		return nil
	}
	pem, err := readFile(fs, file)
	if err != nil {
		return fmt.Errorf("s3.ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("s3.ca_file: %s has no certificate in PEM form", file)
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.RootCAs = pool
	return nil
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(f)
}

func credentialsOf(fs vfs.FS, cfg S3) (*credentials.Credentials, error) {
	secret := cfg.SecretKey
	if cfg.SecretKeyFile != "" {
		b, err := readFile(fs, cfg.SecretKeyFile)
		if err != nil {
			return nil, fmt.Errorf("s3.secret_key_file: %w", err)
		}
		secret = strings.TrimSpace(string(b))
	}
	if cfg.AccessKey != "" {
		return credentials.NewStaticV4(cfg.AccessKey, secret, ""), nil
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
	}), nil
}

// String implements Bucket.
func (s *s3) String() string {
	return "s3://" + path.Join(s.cfg.Bucket, s.prefix) + " at " + s.cfg.Endpoint
}

// Close implements Bucket.
func (s *s3) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Put implements Bucket. The server compares what came with its MD5.
func (s *s3) Put(ctx context.Context, key string, r io.ReaderAt, size int64) error {
	_, err := s.client.PutObject(ctx, s.cfg.Bucket, s.prefix+key, io.NewSectionReader(r, 0, size), size,
		minio.PutObjectOptions{SendContentMd5: true, PartSize: partBytes, NumThreads: 1})
	return s.answer(err)
}

// Create implements Bucket.
func (s *s3) Create(ctx context.Context, key string, data []byte) error {
	opts := minio.PutObjectOptions{SendContentMd5: true}
	opts.SetMatchETagExcept("*")
	_, err := s.client.PutObject(ctx, s.cfg.Bucket, s.prefix+key, bytes.NewReader(data), int64(len(data)), opts)
	return s.answer(err)
}

// ReadAt implements Bucket.
func (s *s3) ReadAt(ctx context.Context, key string, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	opts := minio.GetObjectOptions{}
	if err := opts.SetRange(off, off+int64(len(p))-1); err != nil {
		return err
	}
	body, _, _, err := (&minio.Core{Client: s.client}).GetObject(ctx, s.cfg.Bucket, s.prefix+key, opts)
	if err != nil {
		return s.answer(err)
	}
	defer func() { _ = body.Close() }()
	n, err := io.ReadFull(body, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.short(ctx, key, off+int64(n), off+int64(len(p)))
	}
	return s.answer(err)
}

// short tells an object that is too short from an answer that broke off.
func (s *s3) short(ctx context.Context, key string, got, want int64) error {
	info, err := s.client.StatObject(ctx, s.cfg.Bucket, s.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return s.answer(err)
	}
	if info.Size < want {
		return fmt.Errorf("%w: %d bytes, want at least %d", ErrShort, info.Size, want)
	}
	return fmt.Errorf("the answer ended at byte %d of %d: %w", got, want, io.ErrUnexpectedEOF)
}

// Get implements Bucket.
func (s *s3) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	body, _, _, err := (&minio.Core{Client: s.client}).GetObject(ctx, s.cfg.Bucket, s.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, s.answer(err)
	}
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(io.LimitReader(body, limit))
	return b, s.answer(err)
}

// Delete implements Bucket.
func (s *s3) Delete(ctx context.Context, key string) error {
	err := s.answer(s.client.RemoveObject(ctx, s.cfg.Bucket, s.prefix+key, minio.RemoveObjectOptions{}))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// List implements Bucket.
func (s *s3) List(ctx context.Context, prefix string, each func(Info) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list := s.client.ListObjects(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true})
	var failed error
	for o := range list { // to its end: the library's goroutine waits for that
		if failed != nil {
			continue
		}
		if failed = s.answer(o.Err); failed == nil {
			failed = each(Info{Key: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size})
		}
		if failed != nil {
			cancel()
		}
	}
	return failed
}

// answer says what an error of the library means.
func (s *s3) answer(err error) error {
	if err == nil {
		return nil
	}
	var e minio.ErrorResponse
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case minio.NoSuchKey:
		return ErrNotFound
	case minio.PreconditionFailed:
		return ErrExists
	case "InvalidRange":
		return fmt.Errorf("%w: it ends before what is wanted of it", ErrShort)
	case minio.NoSuchBucket:
		return fmt.Errorf("%w: there is no bucket %q at %s: create it, or correct s3.bucket", ErrRefused, s.cfg.Bucket, s.cfg.Endpoint)
	case minio.AccessDenied, "Forbidden", "AllAccessDisabled":
		return fmt.Errorf("%w: access denied (%s): the key needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket for bucket %q", ErrRefused, e.Message, s.cfg.Bucket)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId", "ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed":
		return fmt.Errorf("%w the credentials (%s): check s3.access_key, s3.secret_key and s3.region", ErrRefused, e.Code)
	}
	if e.StatusCode == http.StatusNotFound {
		return ErrNotFound
	}
	if e.StatusCode == http.StatusForbidden || e.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("%w the credentials (%s): check s3.access_key and s3.secret_key", ErrRefused, e.Code)
	}
	return fmt.Errorf("HTTP status %d, %s: %w", e.StatusCode, e.Code, err)
}
