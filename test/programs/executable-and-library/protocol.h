int respond(int n, int version);
