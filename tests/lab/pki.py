"""A certificate authority and the few certificates of the lab, made by openssl. One certificate names all hosts, so there is one of each kind."""

import os
import subprocess

# Kind -> key, days it is still good for, signed by the authority, names its host.
KINDS = {
    "ec": ("ec", 30, True, True),
    "rsa": ("rsa", 30, True, True),
    "self": ("ec", 30, False, True),
    "expired": ("ec", -1, True, True),
    "wrongname": ("ec", 30, True, False),
    "own": ("rsa", 30, True, True),
}
NEWKEY = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["-newkey", "rsa:2048"]}


def openssl(*args, data=None):
    """Runs openssl; its words if it fails."""
    run = subprocess.run(["openssl", *args], input=data, capture_output=True)
    if run.returncode:
        raise RuntimeError("openssl %s: %s" % (" ".join(args), run.stderr.decode()))
    return run.stdout


def path(folder, kind):
    """The file with key and certificate of this kind."""
    return os.path.join(folder, kind + ".pem")


def make(folder, names):
    """Writes ca.pem, one file for each kind, and dhN.pem."""
    os.makedirs(folder, exist_ok=True)
    ca, key = path(folder, "ca"), path(folder, "ca-key")
    openssl("req", "-x509", *NEWKEY["ec"], "-nodes", "-subj", "/CN=Lab Root", "-days", "60", "-keyout", key, "-out", ca)
    for kind, (algorithm, days, signed, named) in KINDS.items():
        one(folder, kind, algorithm, days, signed, names if named else ["elsewhere.invalid"], ca, key)
    for bits in (512, 1024):
        # -dsaparam is quick; the size is all that matters here.
        openssl("dhparam", "-dsaparam", "-out", path(folder, "dh%d" % bits), str(bits))


def one(folder, kind, algorithm, days, signed, names, ca, key):
    """One certificate with its key in one file."""
    own, request, cert = (os.path.join(folder, kind + end) for end in (".key", ".csr", ".crt"))
    openssl("req", "-new", *NEWKEY[algorithm], "-nodes", "-subj", "/CN=" + names[0][:60], "-keyout", own, "-out", request)
    extension = os.path.join(folder, kind + ".ext")
    with open(extension, "w") as f:
        f.write("subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n")
    signer = ["-CA", ca, "-CAkey", key, "-CAcreateserial"] if signed else ["-signkey", own]
    openssl("x509", "-req", "-in", request, *signer, "-days", str(days), "-extfile", extension, "-out", cert)
    with open(path(folder, kind), "wb") as f:
        f.write(open(own, "rb").read() + open(cert, "rb").read())


def tlsa(folder, kind):
    """The data of a `3 1 1` record: SHA-256 of the public key."""
    public = openssl("x509", "-in", path(folder, kind), "-noout", "-pubkey")
    return "3 1 1 " + openssl("dgst", "-sha256", "-r", data=openssl("pkey", "-pubin", "-outform", "DER", data=public)).split()[0].decode()
