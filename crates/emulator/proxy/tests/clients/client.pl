# Runs the steps in the file of the second argument with DBD::mysql. Prints one line of JSON per step: its name, and the
# results of its actions. main.rs describes both, and the variables.
use strict;
use warnings;
use utf8;

use DBI;
use Digest::SHA qw(sha256_hex);
use Encode qw(encode_utf8);
use JSON::PP;
use POSIX ();

my $main = login();
my %actions = (
    query => sub { my ($sql, $action) = @_; report(query($main, $sql, $action->{params})) },
    execute => sub { my ($sql, $action) = @_; executed($sql, $action->{params}) },
    run => sub { $main->do(shift); undef },
    load => sub { $main->do(shift) + 0 },
    elsewhere => sub {
        my $other = login();
        my $rows = report(query($other, shift));
        $other->disconnect;
        $rows;
    },
    sleep => \&stopped,
    begin => sub { $main->begin_work; undef },
    commit => sub { $main->commit; undef },
    rollback => sub { $main->rollback; undef },
    autocommit => sub { $main->{AutoCommit} = shift; undef },
    reconnect => sub { $main->disconnect; $main = login(); undef },
    close => sub { $main->disconnect; undef },
);

sub slurp {
    my ($path) = @_;
    open(my $file, '<:raw', $path) or die "$path: $!";
    local $/;
    return scalar <$file>;
}

sub login {
    my ($host, $port, $name, $ca) = @ENV{qw(HOST PORT SERVER_NAME CA_FILE)};
    my $server = $host =~ m{^/} ? "mysql_socket=$host" : 'host=' . ($name || $host) . ";port=$port";
    $server .= ";mysql_ssl=1;mysql_ssl_ca_file=$ca;mysql_ssl_verify_server_cert=1" if $name;
    my $options = 'mysql_server_prepare=1;mysql_local_infile=1';
    my $token = $ENV{TOKEN_FILE} ? slurp($ENV{TOKEN_FILE}) : '';
    # An error has a code, and is thrown; none is printed. A child process does not end its parent's session.
    my %attributes = (RaiseError => 1, PrintError => 0, AutoInactiveDestroy => 1, mysql_enable_utf8mb4 => 1);
    my $source = "DBI:mysql:database=$ENV{DATABASE};$server;$options";
    return DBI->connect($source, $ENV{USER}, $token, \%attributes);
}

# A parameter's value. Bytes and long texts have a form in the file.
sub value {
    my ($param) = @_;
    return $param unless ref $param;
    return pack('H*', $param->{hex}) if $param->{hex};
    return $param->{repeat}[0] x $param->{repeat}[1];
}

# Calls a function after each execution of a statement.
sub each_execution {
    my ($connection, $sql, $params, $done) = @_;
    my $statement = $connection->prepare($sql);
    for my $values (@{ $params // [[]] }) {
        $statement->execute(map { value($_) } @$values);
        $done->($statement);
    }
    $statement->finish;
}

sub query {
    my ($connection, $sql, $params) = @_;
    my @rows;
    each_execution($connection, $sql, $params, sub { push @rows, @{ shift->fetchall_arrayref } });
    return @rows;
}

sub executed {
    my ($sql, $params) = @_;
    my $count = 0;
    each_execution($main, $sql, $params, sub { $count += shift->rows });
    return $count;
}

# A value as the runner compares it: text or undef, with a digest for what is long. Bytes are marked by no type, but
# they are no ASCII, and not decoded.
sub text {
    my ($found) = @_;
    return $found unless defined $found;
    return 'hex:' . unpack('H*', $found) if !utf8::is_utf8($found) && $found =~ /[^\x20-\x7e]/;
    return length($found) > 100 ? digest($found) . ' of ' . length($found) . ' characters' : "$found";
}

sub digest {
    return 'sha256 ' . sha256_hex(encode_utf8(shift));
}

sub report {
    my @rows = map { [map { text($_) } @$_] } @_;
    return \@rows if @rows <= 100;
    return [[digest(join("\n", map { join("\t", @$_) } @rows)) . ' of ' . @rows . ' rows']];
}

# Runs a long statement, which another process ends once it finds it running.
sub stopped {
    my ($sql, $action) = @_;
    my $child = fork // die "fork: $!";
    if (!$child) {
        my $other = login();
        my @rows;
        @rows = query($other, $action->{running}) until @rows;
        $other->do($action->{stop} =~ s/\{id\}/$rows[0][0]/r);
        $other->disconnect;
        POSIX::_exit(0);
    }
    my @rows = eval { query($main, $sql) };
    my $code = $@ ? $DBI::err : 0;
    waitpid($child, 0);
    return $code ? { error => "$code" } : report(@rows);
}

my $json = JSON::PP->new->ascii->canonical;
$| = 1;
for my $step (@{ JSON::PP->new->utf8->decode(slurp($ARGV[1])) }) {
    my @results;
    for my $action (@{ $step->{do} }) {
        my ($verb) = grep { exists $actions{$_} } keys %$action;
        my $result = eval { $actions{$verb}->($action->{$verb}, $action) };
        if ($@) {
            die $@ unless $DBI::err;
            $result = { error => "$DBI::err" };
        }
        push @results, $result;
    }
    print $json->encode({ step => $step->{step}, results => \@results }), "\n";
}
