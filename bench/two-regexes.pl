#!/usr/bin/perl
# What an administrator writes in five minutes: TLS connections by peer, and deliveries by relay and status. Two regular expressions, two hashes, and
# nothing that ties one line to another: it cannot tell which message crossed in clear. `bench/run` measures it beside tlsnag.
use strict;
use warnings;

my (%tls, %mail);
while (<>) {
    if (/TLS connection established (?:to|from) (\S+?)\[/) { $tls{$1}++ }
    elsif (/ relay=([^\[,]+).*? status=(\w+)/) { $mail{"$1 $2"}++ }
}
print "TLS $tls{$_} $_\n" for sort { $tls{$b} <=> $tls{$a} || $a cmp $b } keys %tls;
print "mail $mail{$_} $_\n" for sort { $mail{$b} <=> $mail{$a} || $a cmp $b } keys %mail;
