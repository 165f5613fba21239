__thread int elsewhere = 2;
